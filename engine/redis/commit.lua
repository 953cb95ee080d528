-- The commit, and what else changes a conversation.

-- A key is remembered for one bucket at least.
local BUCKET_MS = @KEY_BUCKET_MS@
local BUCKET_TTL_MS = 3 * BUCKET_MS

-- Codes of replies that are lists: after the code come seq, head, epoch, activeUntil, notifyFrom and, of a duplicate, the start of the
-- event's tail. Replies that are texts say that nothing was written, and need not wait for replicas.
local COMMITTED, PUBLISHED, UNCHANGED, DUPLICATE, EXISTS = 0, 1, 2, 3, 4

local HEAD, STATE, CURSORS, MEMBER = '^(%d+) (%d+) (%d+)$', '^(%S+) (%S+) (%d+) (%d+) (%-?%d+)$', '^(%d+):(%d+)(.*)$', '^%d+:%d+:%d+:%d+:%d+:'

-- What a commit starts from; epoch is nil when there is no such conversation, member when the actor is none.
local function open(keys, actor, at)
  local v = call('HMGET', keys[1], 'head', 'state', 'u:' .. actor)
  local seq, messages, updatedAt, epoch, term, activeUntil, notifyFrom, bucket
  if v[1] then
    seq, messages, updatedAt = match(v[1], HEAD)
    epoch, term, activeUntil, notifyFrom, bucket = match(v[2], STATE)
  end
  return {
    keys = keys, actor = actor, at = at, seq = tonumber(seq or 0), messages = tonumber(messages or 0), updatedAt = tonumber(updatedAt or 0),
    epoch = epoch, leaderTerm = term, activeUntil = tonumber(activeUntil or 0), notifyFrom = tonumber(notifyFrom or 0),
    bucket = tonumber(bucket or -1), member = v[3], memberMoved = false, stateMoved = false, sent = false, rotated = false,
  }
end

local function stateText(c)
  return table.concat({ c.epoch, c.leaderTerm, text(c.activeUntil), text(c.notifyFrom), text(c.bucket) }, ' ')
end

local function reply(c, code, seq, tail)
  return { code, seq, c.seq, c.epoch, c.activeUntil, c.notifyFrom, tail }
end

local function entry(c, seq)
  return call('HGET', c.keys[2], seq) or ''
end

-- The tail of an entry's text up to and with `"data":`.
local function headOf(value)
  local _, last = find(value, '"data":', 1, true)
  return last and sub(value, find(value, '|', 1, true) + 1, last) or ''
end

local function memberText(c, user)
  if user == c.actor then return c.member end
  return call('HGET', c.keys[1], 'u:' .. user)
end

local function setMember(c, user, value)
  if user == c.actor then c.member, c.memberMoved = value, true else call('HSET', c.keys[1], 'u:' .. user, value) end
  c.membersVersion = c.seq
end

-- Each takes up to four arguments. The last two are asked for by the engine itself: a write that would not fit is an internal error.
local GUARDS = {
  kind = function(c, seq, kinds) return find(kinds, match(entry(c, seq), '^%a') or '-', 1, true) end,
  revision = function(c, seq, revision)
    local value = entry(c, seq)
    return value ~= '' and (match(value, '^%a%d+%.(%d+)|') or '0') == revision
  end,
  field = function(c, name, isSet, value) return (call('HGET', c.keys[1], 'f:' .. name) or nil) == (isSet == '1' and value or nil) end,
  role = function(c, user, isMember, role)
    local member = memberText(c, user)
    return (member and sub(member, #match(member, MEMBER) + 1) or nil) == (isMember == '1' and role or nil)
  end,
  membersVersion = function(c, version) return (call('HGET', c.keys[1], 'membersVersion') or '0') == version end,
  counted = function(c, key, group, user, is) return (call('ZSCORE', c.keys[tonumber(key)], group .. '\31' .. user) and '1' or '0') == is end,
  groups = function(c, seq, group, below)
    local groups = groupsOf(c.keys[8], seq)
    return groups['=' .. group] or #groups < tonumber(below)
  end,
  member = function(c, user, is) return (memberText(c, user) and '1' or '0') == is end,
  -- Also one of the commit's own events, of which so many come before.
  exists = function(c, seq, before) return tonumber(seq) >= 1 and tonumber(seq) <= c.seq + before end,
}

-- Each takes up to five arguments. What they need to find has been checked.
local WRITES = {
  field = function(c, name, value)
    local names = call('HGET', c.keys[1], 'fieldNames') or ''
    if not find('\31' .. names, '\31' .. name .. '\31', 1, true) then call('HSET', c.keys[1], 'fieldNames', names .. name .. '\31') end
    call('HSET', c.keys[1], 'f:' .. name, value)
  end,
  enter = function(c, user, role, joinedAt, place)
    local seq = text(c.seq)
    setMember(c, user, seq .. ':' .. seq .. ':' .. joinedAt .. ':' .. seq .. ':' .. place .. ':' .. role)
    call('ZADD', c.keys[7], 0, user)
    c.joined = (c.joined or 0) + 1
  end,
  role = function(c, user, role) setMember(c, user, match(memberText(c, user), MEMBER) .. role) end,
  leave = function(c, user)
    call('HDEL', c.keys[1], 'u:' .. user)
    call('ZREM', c.keys[7], user)
    if user == c.actor then c.member = nil end
    c.joined, c.membersVersion = (c.joined or 0) - 1, c.seq
  end,
  rewrite = function(c, seq, kind, data)
    local value = entry(c, seq)
    call('HSET', c.keys[2], seq, kind .. match(value, '^%a(%d+)') .. '.' .. text(c.seq) .. '|' .. headOf(value) .. data .. '}')
  end,
  clear = function(c, seq, key)
    call('HDEL', c.keys[8], 'a:' .. seq, 't:' .. seq)
    call('UNLINK', c.keys[tonumber(key)])
  end,
  tally = function(c, seq, key, group, user, counted)
    local count = counted == '1' and countIn or countOut
    count(c.keys[8], c.keys[tonumber(key)], seq, group, user)
  end,
}

-- The seq remembered under the actor's key. Without one, and if the commit is `plain` (nothing can refuse it, and it has one event), the
-- key is remembered already, which saves a call.
local function remember(c, key, plain)
  local keys, bucket, field = c.keys, math.floor(c.at / BUCKET_MS), c.actor .. ' ' .. key
  if bucket > c.bucket then
    call('UNLINK', keys[5 + bucket % 2])
    if bucket > c.bucket + 1 then call('UNLINK', keys[5 + (bucket - 1) % 2]) end
    c.bucket, c.stateMoved, c.rotated = bucket, true, true
  end
  c.sent = keys[5 + c.bucket % 2]
  local first = call('HGET', keys[5 + (c.bucket + 1) % 2], field)
  if first then return first end
  if not plain or call('HSETNX', c.sent, field, text(c.seq + 1)) == 0 then return call('HGET', c.sent, field) end
end

-- The log belongs to this leader term from now on: it forks, or begins. Whoever wrote to a log in a term has seen to the feed of its
-- partition in that term, so that one comparison serves both.
local function leadLog(c)
  leadFeed(c.keys[3], c.keys[4])
  c.epoch, c.leaderTerm, c.stateMoved = c.epoch and fork(c.keys[1], c.epoch, c.seq) or newEpoch(), currentTerm(), true
end

local function append(c, flags, kind, pointer, tail)
  local keys, seqText = c.keys, text(c.seq + 1)
  c.seq = c.seq + 1
  if kind == 'm' then c.messages = c.messages + 1 end
  call('HSET', keys[2], seqText, kind .. text(c.messages) .. '|' .. tail)
  call('SPUBLISH', sub(keys[1], 1, -6), '{"type":"event","seq":' .. seqText .. ',"epoch":"' .. c.epoch .. '",' .. tail)
  local length = call('RPUSH', keys[3], pointer .. ' ' .. seqText .. ' ' .. c.epoch)
  if length % TRIM_EVERY == 0 then trimFeed(keys[3], keys[4], c.at - match(flags, '%d+')) end
end

local function save(c, appended)
  local meta, values = c.keys[1], {}
  if appended then values = { 'head', format('%d %d %d', c.seq, c.messages, math.max(c.at, c.updatedAt)) } end
  if c.stateMoved then values[#values + 1], values[#values + 2] = 'state', stateText(c) end
  if c.memberMoved and c.member then values[#values + 1], values[#values + 2] = 'u:' .. c.actor, c.member end
  if #values > 0 then call('HSET', meta, unpack(values)) end
  if c.joined then call('HINCRBY', meta, 'members', c.joined) end
  if c.membersVersion then call('HSET', meta, 'membersVersion', text(c.membersVersion)) end
end

-- KEYS meta log feed feed:meta sent:0 sent:1 roster extras counted…; those at the end that are not needed are left out.
-- ARGV at actor flags key, then items, each a word and its arguments, in this order (commit-arguments.ts makes them):
--   guards                 the word of GUARDS, four arguments
--   raise                  read or delivered, seq
--   must                   the word of GUARDS, four arguments
--   m (message), e (event) pointer up to its time, tail; perhaps then: attach, seq
--   writes                 the word of WRITES, five arguments
--   frame                  text, end, largest number of members or ''
-- Flags: c create, a advance, n notify always; then how long the feed keeps pointers, ms.
local function commit(K, A)
  local flags, key, plain, i = A[3], A[4], A[5] == 'm' and not A[8], 5
  local c = open(K, A[2], tonumber(A[1]))
  local creates = find(flags, 'c', 1, true)
  if creates and c.epoch then return reply(c, EXISTS, 0) end
  if not creates and not c.epoch then return 'notFound' end
  if c.actor ~= '' and not c.member then return 'notMember' end
  if key ~= '' then
    local first = remember(c, key, plain)
    if first then return reply(c, DUPLICATE, tonumber(first), headOf(entry(c, first))) end
  end
  local guard = GUARDS[A[i]]
  while guard do
    if not guard(c, A[i + 1], A[i + 2], A[i + 3], A[i + 4]) then
      return table.concat({ 'refused', (i - 5) / 5, text(c.seq), c.epoch or '', text(c.activeUntil), text(c.notifyFrom) }, ' ')
    end
    i = i + 5
    guard = GUARDS[A[i]]
  end
  local raised
  if A[i] == 'raise' then
    local read, delivered, rest = match(c.member, CURSORS)
    raised = math.min(tonumber(A[i + 2]), c.seq)
    if raised <= tonumber(A[i + 1] == 'read' and read or delivered) then return reply(c, UNCHANGED, 0) end
    if A[i + 1] == 'read' then read = text(raised) end
    c.member, c.memberMoved = read .. ':' .. text(math.max(raised, tonumber(delivered))) .. rest, true
    i = i + 3
  end
  while A[i] == 'must' do
    if not GUARDS[A[i + 1]](c, A[i + 2], A[i + 3], A[i + 4], A[i + 5]) then return 'internal' end
    i = i + 6
  end

  local before, published = c.seq, false
  if creates or ((A[i] == 'm' or A[i] == 'e') and c.leaderTerm ~= currentTerm()) then leadLog(c) end
  while A[i] == 'm' or A[i] == 'e' do
    append(c, flags, A[i], A[i + 1], A[i + 2])
    i = i + 3
    if A[i] == 'attach' then
      local attached = call('HGET', K[8], 'a:' .. A[i + 1])
      call('HSET', K[8], 'a:' .. A[i + 1], (attached and attached .. ' ' or '') .. text(c.seq))
      i = i + 2
    end
  end
  if c.seq > before then
    published = true
    local always = find(flags, 'n', 1, true)
    if c.notifyFrom == 0 and (always or c.activeUntil <= c.at) then c.notifyFrom, c.stateMoved = before + 1, true end
    if always then call('HSET', K[1], 'addedSeq', text(c.seq)) end
    if key ~= '' and not plain then call('HSET', c.sent, c.actor .. ' ' .. key, text(c.seq)) end
    if c.rotated then call('PEXPIRE', c.sent, BUCKET_TTL_MS) end
    if find(flags, 'a', 1, true) then
      local seq = text(c.seq)
      c.member, c.memberMoved = seq .. ':' .. seq .. match(c.member, '^%d+:%d+(.*)$'), true
    end
  end
  local write = WRITES[A[i]]
  while write do
    write(c, A[i + 1], A[i + 2], A[i + 3], A[i + 4], A[i + 5])
    i = i + 6
    write = WRITES[A[i]]
  end
  if creates and c.seq == before then call('HSET', K[1], 'head', '0 0 0') end
  save(c, c.seq > before)
  if A[i] == 'frame' and (A[i + 3] == '' or tonumber(call('HGET', K[1], 'members') or 0) <= tonumber(A[i + 3])) then
    call('SPUBLISH', sub(K[1], 1, -6), A[i + 1] .. (raised and text(raised) or '') .. A[i + 2])
    published = true
  end
  return reply(c, published and PUBLISHED or COMMITTED, c.seq > before and c.seq or 0)
end

-- KEYS meta; ARGV epoch, then activeUntil activeFrom notifyFrom addedSeq as they must be, and as they shall be
local function replaceActivation(K, A)
  local c, v = open(K, '', 0), call('HMGET', K[1], 'activeFrom', 'addedSeq')
  if c.epoch ~= A[1] or text(c.activeUntil) ~= A[2] or text(c.notifyFrom) ~= A[4] then return 0 end
  if (v[1] or '0') ~= A[3] or (v[2] or '0') ~= A[5] then return 0 end
  c.activeUntil, c.notifyFrom = tonumber(A[6]), tonumber(A[8])
  call('HSET', K[1], 'state', stateText(c), 'activeFrom', A[7], 'addedSeq', A[9])
  return 1
end

-- KEYS meta log feed feed:meta; ARGV seq. Somebody has seen this seq, which is ahead.
local function forkIfRewound(K, A)
  local c = open(K, '', 0)
  if not c.epoch or tonumber(A[1]) <= c.seq or c.leaderTerm == currentTerm() then return 0 end
  leadLog(c)
  call('HSET', K[1], 'state', stateText(c))
  return 1
end

writes('commit', commit)
writes('replaceActivation', replaceActivation)
writes('forkIfRewound', forkIfRewound)
