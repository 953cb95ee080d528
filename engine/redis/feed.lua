-- The feed of a partition: a list of pointers, and a hash with `first`, the number of pointers that were trimmed, and the feed's epochs.

-- Pointers that are looked at when some may be too old, and after how many new ones that is.
local TRIM_BATCH, TRIM_EVERY = 128, 64

-- The feed belongs to this leader term from now on.
local function leadFeed(feed, feedMeta)
  local v = call('HMGET', feedMeta, 'epoch', 'leaderTerm', 'first')
  if not v[1] then
    call('HSET', feedMeta, 'first', '0', 'epoch', newEpoch(), 'leaderTerm', currentTerm(), 'forks', '')
  elseif v[2] ~= currentTerm() then
    forkHash(feedMeta, v[1], v[3] + call('LLEN', feed))
  end
end

local function isOlder(pointer, before)
  return tonumber(match(pointer, '^%S+ %S+ (%w+)'), 36) < before
end

local function trimFeed(feed, feedMeta, before)
  if not isOlder(call('LINDEX', feed, 0), before) then return end
  local old = 0
  for i, pointer in ipairs(call('LRANGE', feed, 0, TRIM_BATCH - 1)) do
    if not isOlder(pointer, before) then break end
    old = i
  end
  call('LTRIM', feed, old, -1)
  call('HINCRBY', feedMeta, 'first', old)
end

-- KEYS feed feed:meta; ARGV place
local function forkFeedIfRewound(K, A)
  local v = call('HMGET', K[2], 'epoch', 'leaderTerm', 'first')
  if not v[1] or v[2] == currentTerm() then return 0 end
  local head = v[3] + call('LLEN', K[1])
  if tonumber(A[1]) > head then forkHash(K[2], v[1], head) end
  return 1
end

-- KEYS feed feed:meta; ARGV n epoch ('' without a position) limit. Replies with how the position compares ('trimmed' too), the epoch, the
-- number of the last pointer, the number before the first one that follows, and the pointers.
local function readFeed(K, A)
  local v = call('HMGET', K[2], 'epoch', 'first')
  local first, n = tonumber(v[2] or 0), tonumber(A[1])
  local last = first + call('LLEN', K[1])
  local compared = n > 0 and compareCursor(K[2], n, A[2], last, v[1] or '') or 'ok'
  if compared == 'ok' and n < first and A[2] ~= '' then compared = 'trimmed' end
  local start = compared == 'ok' and math.max(n, first) or first
  return { compared, v[1] or '', last, start, call('LRANGE', K[1], start - first, start - first + A[3] - 1) }
end

writes('forkFeedIfRewound', forkFeedIfRewound)
reads('readFeed', readFeed)
