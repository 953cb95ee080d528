#!lua name=connect_chat_@VERSION@

-- What the other files share: library.ts puts them behind this one.
--
-- Keys that belong together are in one hash slot, and every key a function touches is declared, so that Redis itself refuses to run it half
-- way through a slot migration. CONV is {pN}:ID, and N the partition of the id.
--
-- CONV:meta        hash   head        seq, number of messages, updatedAt
--                         state       epoch, leaderTerm, activeUntil, notifyFrom, bucket of idempotency keys
--                         forks members membersVersion activeFrom addedSeq
--                         fieldNames  each followed by \31; and for each field `f:` name -> value
--                         `u:` user   readSeq, deliveredSeq, joinedAt, joinedSeq, place, role, joined by ':'
-- CONV:log         hash   seq -> kind, ordinal, perhaps '.' and revision, '|', tail. Kind is m (message), x (tombstone) or e (event),
--                         ordinal the number of messages up to here, tail all of the event's JSON text that follows seq and epoch
-- CONV:sent:0|1    hash   actor ' ' idempotency key -> seq; two buckets that take turns
-- CONV:roster      zset   users in order of id
-- CONV:extras      hash   `a:` seq -> seqs of the attached events; `t:` seq -> its tally
-- CONV:counted:SEQ zset   who is counted in that tally, in the order in which they were counted in
-- {pN}:feed        list   pointers: id, name, time in base 36, seq and epoch, joined by blanks
-- {pN}:feed:meta   hash   first epoch leaderTerm forks
--
-- What is written with every message is in few fields, since each field costs a call about 0.4 µs. Texts of users are never decoded or encoded
-- here: they are cut and joined. What stands before `"data":` in a tail is chosen by no client.

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

-- Epochs name histories. A hash keeps in `forks`, for each earlier epoch, the last place that it shares with the history as it is now.
local MAX_FORKS = 16

-- The history ends at this head for now: remembers so, and gives the new epoch to store.
local function fork(key, epoch, head)
  local forks, kept = {}, {}
  for name, last in gmatch(call('HGET', key, 'forks') or '', '(%S+):(%d+)') do
    forks[#forks + 1] = name .. ':' .. text(math.min(last, head))
  end
  forks[#forks + 1] = epoch .. ':' .. text(head)
  for i = math.max(1, #forks - MAX_FORKS + 1), #forks do kept[#kept + 1] = forks[i] end
  call('HSET', key, 'forks', table.concat(kept, ' '))
  return newEpoch()
end

-- The same where epoch and leader term are fields of the hash.
local function forkHash(key, epoch, head)
  call('HSET', key, 'epoch', fork(key, epoch, head), 'leaderTerm', currentTerm())
end

-- Compares a place in a history (seq, epoch) with that history: 'ok', 'reset' (another history), or 'ahead' (this one went backwards). If
-- that was in another leader term, the history may have lost its end, and gets a new epoch: see `forkIfRewound`. If not, whoever has seen
-- the place is mistaken, and no client may move others to a new epoch.
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
