-- The commit, and what else changes a conversation. Keys that belong together are in one hash slot; every key a function touches is
-- declared, so that Redis itself refuses to run it half way through a slot migration. CONV is {pN}:ID, and N the partition of the id.
--
-- CONV:meta        hash   seq epoch messages leaderTerm activeUntil notifyFrom bucket updatedAt members membersVersion activeFrom addedSeq
--                         forks fieldNames (each followed by \31); for each field of the port `f:` name -> value; and for each member
--                         `u:` user -> readSeq, deliveredSeq, joinedAt, joinedSeq, place and role, joined by ':'
-- CONV:log         hash   seq -> kind, ordinal, perhaps '.' and revision, '|', tail. Kind is m (message), x (tombstone) or e (event),
--                         ordinal the number of messages up to here, tail all of the event's JSON text that follows seq and epoch
-- CONV:sent:0|1    hash   actor ' ' idempotency key -> seq; two buckets that take turns
-- CONV:roster      zset   users in order of id
-- CONV:extras      hash   `a:` seq -> seqs of the attached events; `t:` seq -> the tally: per group, name \31 count \31 first users, each
--                         followed by a blank, \30
-- CONV:counted:SEQ zset   group \31 user, in the order in which they were counted in
-- {pN}:feed        list   pointers: id, name, time in base 36, seq and epoch, joined by blanks
-- {pN}:feed:meta   hash   first (how many pointers were trimmed) epoch leaderTerm forks
--
-- Texts of users are never decoded or encoded here: they are cut and joined. What stands before `"data":` in a tail is chosen by no client.

-- A key is remembered for one bucket at least. Clocks differ, so that is more than the 24 hours that are promised.
local BUCKET_MS = 25 * 3600000
local BUCKET_TTL_MS = 3 * BUCKET_MS
-- Pointers that are looked at when some may be too old, and after how many new ones that is.
local TRIM_BATCH, TRIM_EVERY = 128, 64
local SCAN = 200

-- Codes of replies that are lists: after the code come seq, head, epoch, activeUntil, notifyFrom and, of a duplicate, the start of the
-- event's tail. Replies that are texts say that nothing was written, and need not wait for replicas.
local COMMITTED, PUBLISHED, UNCHANGED, DUPLICATE, EXISTS = 0, 1, 2, 3, 4

local function open(K, actor)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'messages', 'leaderTerm', 'activeUntil', 'notifyFrom', 'bucket', 'updatedAt', 'u:' .. actor)
  return {
    keys = K, meta = K[1], log = K[2], roster = K[7], extras = K[8], exists = v[1], seq = tonumber(v[1] or 0), epoch = v[2],
    messages = tonumber(v[3] or 0), leaderTerm = v[4], activeUntil = tonumber(v[5] or 0), notifyFrom = tonumber(v[6] or 0),
    bucket = tonumber(v[7] or -1), updatedAt = tonumber(v[8] or 0), actor = actor, member = v[9], joined = 0, dirty = {},
  }
end

local function set(c, name, value)
  local d = c.dirty
  d[#d + 1] = name
  d[#d + 1] = value
end

local function reply(c, code, seq, tail)
  return { code, seq, c.seq, c.epoch, c.activeUntil, c.notifyFrom, tail }
end

local function entry(c, seq)
  return call('HGET', c.log, seq) or ''
end

-- The tail of an entry's text up to and with `"data":`.
local function headOf(value)
  local _, last = find(value, '"data":', 1, true)
  return last and sub(value, find(value, '|', 1, true) + 1, last) or ''
end

local function memberText(c, user)
  if user == c.actor then return c.member end
  return call('HGET', c.meta, 'u:' .. user)
end

local function groupsOf(c, seq)
  local list = {}
  for group, count, users in gmatch(call('HGET', c.extras, 't:' .. seq) or '', '([^\31]+)\31(%d+)\31([^\30]*)\30') do
    list[#list + 1] = { group = group, count = tonumber(count), users = users }
    list[group] = #list
  end
  return list
end

-- Each takes up to four arguments. The last two are asked for by the engine itself: a write that would not fit is an internal error.
local GUARDS = {
  kind = function(c, seq, kinds) return find(kinds, match(entry(c, seq), '^%a') or '-', 1, true) end,
  revision = function(c, seq, revision)
    local value = entry(c, seq)
    return value ~= '' and (match(value, '^%a%d+%.(%d+)|') or '0') == revision
  end,
  field = function(c, name, isSet, value) return (call('HGET', c.meta, 'f:' .. name) or nil) == (isSet == '1' and value or nil) end,
  role = function(c, user, isMember, role)
    local member = memberText(c, user)
    return (member and match(member, '^%d+:%d+:%d+:%d+:%d+:(.*)$') or nil) == (isMember == '1' and role or nil)
  end,
  membersVersion = function(c, version) return (call('HGET', c.meta, 'membersVersion') or '0') == version end,
  counted = function(c, key, group, user, is)
    return (call('ZSCORE', c.keys[tonumber(key)], group .. '\31' .. user) and '1' or '0') == is
  end,
  groups = function(c, seq, group, below)
    local groups = groupsOf(c, seq)
    return groups[group] or #groups < tonumber(below)
  end,
  member = function(c, user, is) return (memberText(c, user) and '1' or '0') == is end,
  -- Also one of the commit's own events, of which so many come before.
  exists = function(c, seq, before) return tonumber(seq) >= 1 and tonumber(seq) <= c.seq + before end,
}

-- The seq remembered under the actor's key. Without one, and if the commit is `plain` (nothing can refuse it, and it has one event), the
-- key is remembered already, which saves a call.
local function remember(c, at, key, plain)
  local bucket = math.floor(at / BUCKET_MS)
  if bucket > c.bucket then
    call('UNLINK', c.keys[5 + bucket % 2])
    if bucket > c.bucket + 1 then call('UNLINK', c.keys[5 + (bucket - 1) % 2]) end
    c.rotated = true
  else
    bucket = c.bucket
  end
  c.sent, c.sentField = c.keys[5 + bucket % 2], c.actor .. ' ' .. key
  local first = call('HGET', c.keys[5 + (bucket + 1) % 2], c.sentField)
  if first then return first end
  if not plain or call('HSETNX', c.sent, c.sentField, text(c.seq + 1)) == 0 then return call('HGET', c.sent, c.sentField) end
end

-- The partition's feed belongs to this leader term from now on.
local function leadFeed(feed, feedMeta)
  local v = call('HMGET', feedMeta, 'epoch', 'leaderTerm', 'first')
  if not v[1] then
    call('HSET', feedMeta, 'first', '0', 'epoch', newEpoch(), 'leaderTerm', currentTerm())
  elseif v[2] ~= currentTerm() then
    fork(feedMeta, v[1], v[3] + call('LLEN', feed))
  end
end

local function trimFeed(feed, feedMeta, before)
  local old = 0
  for i, pointer in ipairs(call('LRANGE', feed, 0, TRIM_BATCH - 1)) do
    if tonumber(match(pointer, '^%S+ %S+ (%w+)'), 36) >= before then break end
    old = i
  end
  if old == 0 then return end
  call('LTRIM', feed, old, -1)
  call('HINCRBY', feedMeta, 'first', old)
end

-- Whoever wrote to a conversation in a leader term has seen to the feed of its partition in that term, so one comparison serves both.
local function leadLog(c)
  if c.leaderTerm == currentTerm() then return end
  leadFeed(c.keys[3], c.keys[4])
  if c.exists then
    c.epoch = fork(c.meta, c.epoch, c.seq)
  else
    c.epoch = newEpoch()
    -- The fields of the write path first: a small hash is searched from the front.
    call('HSET', c.meta, 'seq', '0', 'epoch', c.epoch, 'messages', '0', 'leaderTerm', currentTerm(), 'activeUntil', '0', 'notifyFrom', '0',
      'bucket', '-1', 'updatedAt', '0', 'members', '0', 'membersVersion', '0')
  end
end

local function append(c, feedMs, kind, pointer, tail, attachTo)
  local seqText = text(c.seq + 1)
  c.seq = c.seq + 1
  if kind == 'm' then c.messages = c.messages + 1 end
  call('HSET', c.log, seqText, kind .. text(c.messages) .. '|' .. tail)
  call('SPUBLISH', sub(c.meta, 1, -6), '{"type":"event","seq":' .. seqText .. ',"epoch":"' .. c.epoch .. '",' .. tail)
  local length = call('RPUSH', c.keys[3], pointer .. ' ' .. seqText .. ' ' .. c.epoch)
  if length % TRIM_EVERY == 0 then trimFeed(c.keys[3], c.keys[4], c.at - tonumber(feedMs)) end
  if attachTo ~= '' then
    local attached = call('HGET', c.extras, 'a:' .. attachTo)
    call('HSET', c.extras, 'a:' .. attachTo, attached and (attached .. ' ' .. seqText) or seqText)
  end
end

local function setMember(c, user, value)
  if user == c.actor then c.member, c.moved = value, true else call('HSET', c.meta, 'u:' .. user, value) end
  c.membersVersion = c.seq
end

-- The first users of a group, each followed by a blank, in the order in which they were counted in.
local function firstUsers(counted, group)
  local users, prefix, from = {}, group .. '\31', 0
  repeat
    local members = call('ZRANGE', counted, from, from + SCAN - 1)
    for _, member in ipairs(members) do
      if #users < @TALLY_USERS@ and sub(member, 1, #prefix) == prefix then users[#users + 1] = sub(member, #prefix + 1) .. ' ' end
    end
    from = from + SCAN
  until #members < SCAN or #users == @TALLY_USERS@
  return table.concat(users)
end

-- Each takes up to five arguments. What they need to find has been checked.
local WRITES = {
  field = function(c, name, value)
    local names = call('HGET', c.meta, 'fieldNames') or ''
    if not find('\31' .. names, '\31' .. name .. '\31', 1, true) then call('HSET', c.meta, 'fieldNames', names .. name .. '\31') end
    call('HSET', c.meta, 'f:' .. name, value)
  end,
  enter = function(c, user, role, joinedAt, place)
    local seq = text(c.seq)
    setMember(c, user, seq .. ':' .. seq .. ':' .. joinedAt .. ':' .. seq .. ':' .. place .. ':' .. role)
    call('ZADD', c.roster, 0, user)
    c.joined = c.joined + 1
  end,
  role = function(c, user, role) setMember(c, user, match(memberText(c, user), '^%d+:%d+:%d+:%d+:%d+:') .. role) end,
  leave = function(c, user)
    call('HDEL', c.meta, 'u:' .. user)
    call('ZREM', c.roster, user)
    if user == c.actor then c.member = nil end
    c.joined, c.membersVersion = c.joined - 1, c.seq
  end,
  rewrite = function(c, seq, kind, data)
    local value = entry(c, seq)
    call('HSET', c.log, seq, kind .. match(value, '^%a(%d+)') .. '.' .. text(c.seq) .. '|' .. headOf(value) .. data .. '}')
  end,
  clear = function(c, seq, key)
    call('HDEL', c.extras, 'a:' .. seq, 't:' .. seq)
    call('UNLINK', c.keys[tonumber(key)])
  end,
  tally = function(c, seq, key, group, user, counted)
    local zset, groups = c.keys[tonumber(key)], groupsOf(c, seq)
    local place = groups[group] or #groups + 1
    local g = groups[place] or { group = group, count = 0, users = '' }
    groups[place] = g
    if counted == '1' then
      call('ZADD', zset, 1 + (call('ZRANGE', zset, -1, -1, 'WITHSCORES')[2] or 0), group .. '\31' .. user)
      if g.count < @TALLY_USERS@ then g.users = g.users .. user .. ' ' end
      g.count = g.count + 1
    else
      call('ZREM', zset, group .. '\31' .. user)
      g.count = g.count - 1
      if find(' ' .. g.users, ' ' .. user .. ' ', 1, true) then g.users = firstUsers(zset, group) end
      if g.count == 0 then table.remove(groups, place) end
    end
    local out = {}
    for i, each in ipairs(groups) do out[i] = each.group .. '\31' .. each.count .. '\31' .. each.users .. '\30' end
    if #out == 0 then call('HDEL', c.extras, 't:' .. seq) else call('HSET', c.extras, 't:' .. seq, table.concat(out)) end
  end,
}

local function save(c, first)
  if c.seq >= first then set(c, 'seq', text(c.seq)) set(c, 'messages', text(c.messages)) set(c, 'updatedAt', text(math.max(c.at, c.updatedAt))) end
  if c.moved and c.member then set(c, 'u:' .. c.actor, c.member) end
  if c.joined ~= 0 then call('HINCRBY', c.meta, 'members', c.joined) end
  if c.membersVersion then set(c, 'membersVersion', text(c.membersVersion)) end
  if #c.dirty > 0 then call('HSET', c.meta, unpack(c.dirty)) end
end

-- KEYS meta log feed feed:meta sent:0 sent:1 roster extras counted…; those at the end that are not needed are left out.
-- ARGV at actor flags key feedMs, then items, each a word and its arguments, in this order (conversation-log.ts makes them):
--   guards                 the word of GUARDS and four arguments
--   raise                  read or delivered, seq
--   must                   the word of GUARDS and four arguments
--   event                  kind, pointer up to its time, tail, attachTo or ''
--   writes                 the word of WRITES and five arguments
--   frame                  text, end, largest number of members or ''
-- Flags: c create, a advance, n notify always.
local function commit(K, A)
  local at, flags, key, i = tonumber(A[1]), A[3], A[4], 6
  local c = open(K, A[2])
  c.at = at
  if find(flags, 'c', 1, true) then
    if c.exists then return { EXISTS } end
  elseif not c.exists then
    return 'notFound'
  end
  if c.actor ~= '' and not c.member then return 'notMember' end
  if key ~= '' then
    local first = remember(c, at, key, A[6] == 'event' and A[11] ~= 'event')
    if first then return reply(c, DUPLICATE, tonumber(first), headOf(entry(c, first))) end
  end
  local guards = 0
  while GUARDS[A[i]] do
    if not GUARDS[A[i]](c, A[i + 1], A[i + 2], A[i + 3], A[i + 4]) then
      return table.concat({ 'refused', guards, text(c.seq), c.epoch, text(c.activeUntil), text(c.notifyFrom) }, ' ')
    end
    guards, i = guards + 1, i + 5
  end
  local raised
  if A[i] == 'raise' then
    local read, delivered, rest = match(c.member, '^(%d+):(%d+)(.*)$')
    raised = math.min(tonumber(A[i + 2]), c.seq)
    if raised <= tonumber(A[i + 1] == 'read' and read or delivered) then return reply(c, UNCHANGED, 0) end
    if A[i + 1] == 'read' then read = text(raised) end
    c.member, c.moved = read .. ':' .. text(math.max(raised, tonumber(delivered))) .. rest, true
    i = i + 3
  end
  while A[i] == 'must' do
    if not GUARDS[A[i + 1]](c, A[i + 2], A[i + 3], A[i + 4], A[i + 5]) then return 'internal' end
    i = i + 6
  end

  local first, published = c.seq + 1, false
  if A[i] == 'event' or not c.exists then leadLog(c) end
  while A[i] == 'event' do
    append(c, A[5], A[i + 1], A[i + 2], A[i + 3], A[i + 4])
    published, i = true, i + 5
  end
  if published then
    local always = find(flags, 'n', 1, true)
    if c.notifyFrom == 0 and (always or c.activeUntil <= at) then
      c.notifyFrom = first
      set(c, 'notifyFrom', text(first))
    end
    if always then set(c, 'addedSeq', text(c.seq)) end
    if key ~= '' and i > 11 then call('HSET', c.sent, c.sentField, text(c.seq)) end
    if c.rotated then
      set(c, 'bucket', text(math.floor(at / BUCKET_MS)))
      call('PEXPIRE', c.sent, BUCKET_TTL_MS)
    end
    if find(flags, 'a', 1, true) then
      local seq = text(c.seq)
      c.member, c.moved = seq .. ':' .. seq .. match(c.member, '^%d+:%d+(.*)$'), true
    end
  end
  while WRITES[A[i]] do
    WRITES[A[i]](c, A[i + 1], A[i + 2], A[i + 3], A[i + 4], A[i + 5])
    i = i + 6
  end
  save(c, first)
  if A[i] == 'frame' and (A[i + 3] == '' or tonumber(call('HGET', c.meta, 'members')) <= tonumber(A[i + 3])) then
    call('SPUBLISH', sub(c.meta, 1, -6), A[i + 1] .. (raised and text(raised) or '') .. A[i + 2])
    published = true
  end
  return reply(c, published and PUBLISHED or COMMITTED, c.seq >= first and c.seq or 0)
end

-- KEYS meta; ARGV epoch, then activeUntil activeFrom notifyFrom addedSeq as they must be, and as they shall be
local function replaceActivation(K, A)
  local v = call('HMGET', K[1], 'epoch', 'activeUntil', 'activeFrom', 'notifyFrom', 'addedSeq')
  if v[1] ~= A[1] then return 0 end
  for i = 2, 5 do
    if (v[i] or '0') ~= A[i] then return 0 end
  end
  call('HSET', K[1], 'activeUntil', A[6], 'activeFrom', A[7], 'notifyFrom', A[8], 'addedSeq', A[9])
  return 1
end

-- KEYS meta feed feed:meta; ARGV seq
local function forkIfRewound(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'leaderTerm')
  if not v[1] then return 0 end
  leadFeed(K[2], K[3])
  forkIfAhead(K[1], tonumber(A[1]), tonumber(v[1]), v[2], v[3])
  return 1
end

-- KEYS feed feed:meta; ARGV place
local function forkFeedIfRewound(K, A)
  local v = call('HMGET', K[2], 'epoch', 'leaderTerm', 'first')
  if v[1] then forkIfAhead(K[2], tonumber(A[1]), v[3] + call('LLEN', K[1]), v[1], v[2]) end
  return 1
end

writes('commit', commit)
writes('replaceActivation', replaceActivation)
writes('forkIfRewound', forkIfRewound)
writes('forkFeedIfRewound', forkFeedIfRewound)
