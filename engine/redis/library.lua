#!lua name=connect_chat_@VERSION@

-- What the other files share: library.ts puts them behind this one.

-- None of this is there yet while the library is loaded.
local call, sub, find, match, format, gmatch
local function prepare()
  call, sub, find, match, format, gmatch = redis.call, string.sub, string.find, string.match, string.format, string.gmatch
end

local function register(name, fn, flags)
  local callback = function(K, A)
    if not call then prepare() end
    return fn(K, A)
  end
  redis.register_function({ function_name = 'connect_chat_@VERSION@_' .. name, callback = callback, flags = flags })
end
local function writes(name, fn) register(name, fn, {}) end
local function reads(name, fn) register(name, fn, { 'no-writes' }) end

-- Numbers go to Redis as text made once: Redis prints each number it is given with all digits of a double.
local function text(n)
  return format('%d', n)
end

local function serverMs()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A leader term is the time one server leads its shard without a break: Redis draws a new replication id whenever a process starts or
-- is promoted, that is, whenever the newest writes may have been lost. Asked for at most every 50 ms of server time.
local leaderTerm, askedAt
local function currentTerm()
  local time = call('TIME')
  local slice = time[1] * 20 + math.floor(time[2] / 50000)
  if slice ~= askedAt then
    leaderTerm = match(call('INFO', 'replication'), 'master_replid:(%x+)') or 'unknown'
    leaderTerm, askedAt = sub(leaderTerm, 1, 16), slice
  end
  return leaderTerm
end

local DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
local function base36(n)
  local out = ''
  while n > 0 do
    local d = n % 36
    out, n = sub(DIGITS, d + 1, d + 1) .. out, (n - d) / 36
  end
  return out
end

local function newEpoch()
  return base36(serverMs()) .. '-' .. format('%05x', call('TIME')[2]) .. sub(currentTerm(), 1, 3)
end

-- A log and a feed have epochs: names of histories, in a hash with `epoch`, `leaderTerm` and `forks`. `forks` remembers, for each earlier
-- epoch, the last place it shares with the history as it is now.
local MAX_FORKS = 16

-- Begins a new epoch at this head.
local function fork(key, epoch, head)
  local forks, kept = {}, {}
  for name, last in gmatch(call('HGET', key, 'forks') or '', '(%S+):(%d+)') do
    forks[#forks + 1] = name .. ':' .. text(math.min(last, head))
  end
  forks[#forks + 1] = epoch .. ':' .. text(head)
  for i = math.max(1, #forks - MAX_FORKS + 1), #forks do kept[#kept + 1] = forks[i] end
  local next = newEpoch()
  call('HSET', key, 'epoch', next, 'forks', table.concat(kept, ' '), 'leaderTerm', currentTerm())
  return next
end

-- Compares a place in a history (seq, epoch) with that history: 'ok', 'reset' (another history), or 'ahead' (this one went backwards).
local function compareCursor(key, seq, epoch, head, current)
  if epoch == '' or epoch == current then return seq <= head and 'ok' or 'ahead' end
  for name, last in gmatch(call('HGET', key, 'forks') or '', '(%S+):(%d+)') do
    if name == epoch then
      if seq > tonumber(last) then return 'reset' end
      -- The history may have gone backwards since that epoch ended, without a new one yet.
      return seq <= head and 'ok' or 'ahead'
    end
  end
  return 'reset'
end

-- Somebody has seen this place, which is ahead. If the history was last written in another leader term it may have lost its end, and gets
-- a new epoch; if not, that somebody is mistaken, and no client may move others to a new epoch.
local function forkIfAhead(key, seen, head, epoch, term)
  if seen > head and term ~= currentTerm() then fork(key, epoch, head) end
end

-- Answers wherever this library is loaded.
reads('loaded', function() return 1 end)
-- Takes no key and writes nothing, but is refused like a write when the server takes none.
writes('ready', function() return 1 end)

-- KEYS layout, and two keys that a store had before it had a layout; ARGV version partitions. Replies with the layout of this store, which is
-- this one if the store is new. A server that is out of memory takes it too: it is one small hash.
register('layout', function(K, A)
  if call('EXISTS', unpack(K)) == 0 then call('HSET', K[1], 'version', A[1], 'partitions', A[2]) end
  return call('HMGET', K[1], 'version', 'partitions')
end, { 'allow-oom' })
