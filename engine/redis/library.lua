#!lua name=connect_chat_@VERSION@

-- The write path and the reads that must see one state. One conversation is one hash slot; every key a function touches is
-- declared, so that Redis itself refuses to run it half way through a slot migration.
--
-- {c:ID}:meta      hash   kind title createdAt updatedAt seq epoch reign forks messages members addedSeq activeUntil activeFrom
--                         notifyFrom bucket,
--                         and for each member `u:` user -> role letter, joined, readSeq, messages up to it, deliveredSeq, joined by ':';
--                         `joined` is the time, the seq of the member.added event, and the place in it, joined by '/'
-- {c:ID}:log       hash   seq -> kind, ordinal, '|', tail; kind is m (message), x (deleted message) or e (any other event),
--                         ordinal the number of messages up to here, tail all of the event's JSON text that follows seq and epoch
-- {c:ID}:roster    zset   users in order of id
-- {c:ID}:sent:0|1|2  hash sender ' ' clientMessageId -> seq; one for each day, the newest (`bucket`) and the two before it
-- {c:ID}:edits     hash   seq of a message -> seqs of its message.edited events
-- {c:ID}:reactions hash   seq of a message -> summary: per emoji, emoji \31 count \31 first users, each followed by \30
-- {c:ID}:reactors:<seq> zset  emoji \31 user, by the seq of its reaction.added event
-- {gateways}:leases hash  gateway -> end, beginning, length and floor of its lease, joined by ':'; times are those of this server, ms
-- {u:ID}:presence  hash   gateway -> version, 1 or 0 for online, and when it was written by this server's clock, ms, joined by ':';
--                         `seen` -> last disconnect
--
-- User content is never decoded or encoded here: texts are cut and joined. Message data keeps the key order clientMessageId,
-- replyTo, editedAt, text, metadata; inside a JSON string a quote is always escaped, so `"text":` and `,"metadata":` can be found by
-- plain search from the front.

local ACTIVE_MS = @ACTIVE_MS@
local BUCKET_MS = @KEY_DAY_MS@
local BUCKET_TTL_MS = 3 * BUCKET_MS
local BUCKET_MARGIN_MS = @KEY_MARGIN_MS@
local MAX_EMOJI = @MESSAGE_EMOJI@
local SUMMARY_USERS = @REACTION_USERS@
local MAX_FORKS = 16
local SCAN = 200
local SCAN_MAX = 2000
local ROLES = { o = 'owner', a = 'admin', m = 'member' }

-- None of this is there yet while the library is loaded.
local call, sub, find, match, format, gmatch
local function prepare()
  call, sub, find, match, format, gmatch = redis.call, string.sub, string.find, string.match, string.format, string.gmatch
end

-- A reign is the time one server leads its shard without a break: Redis draws a new replication id whenever a process starts or
-- is promoted, that is, whenever the newest writes may have been lost. Asked for at most every 50 ms of server time.
local reign, reignAt
local function currentReign()
  local time = call('TIME')
  local slice = time[1] * 20 + math.floor(time[2] / 50000)
  if slice ~= reignAt then
    reign = match(call('INFO', 'replication'), 'master_replid:(%x+)') or 'unknown'
    reign, reignAt = sub(reign, 1, 16), slice
  end
  return reign
end

local DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
local function newEpoch()
  local time = call('TIME')
  local n, out = time[1] * 1000 + math.floor(time[2] / 1000), ''
  while n > 0 do
    local d = n % 36
    out, n = sub(DIGITS, d + 1, d + 1) .. out, (n - d) / 36
  end
  return out .. '-' .. format('%05x', time[2]) .. sub(currentReign(), 1, 3)
end

-- Begins a new epoch at this head. `forks` remembers, for each earlier epoch, the last seq it shares with the log as it is now.
local function fork(meta, epoch, head)
  local forks, kept = {}, {}
  for name, last in gmatch(call('HGET', meta, 'forks') or '', '(%S+):(%d+)') do
    forks[#forks + 1] = name .. ':' .. math.min(last, head)
  end
  forks[#forks + 1] = epoch .. ':' .. head
  for i = math.max(1, #forks - MAX_FORKS + 1), #forks do kept[#kept + 1] = forks[i] end
  local next = newEpoch()
  call('HSET', meta, 'epoch', next, 'forks', table.concat(kept, ' '), 'reign', currentReign())
  return next
end

-- What a position (seq, epoch) is worth: 'ok', 'reset' (its history is not this log's), or 'beyond' (this log went backwards).
local function judge(meta, seq, epoch, head, current)
  if epoch == '' or epoch == current then
    if seq <= head then return 'ok' end
    return 'beyond'
  end
  for name, last in gmatch(call('HGET', meta, 'forks') or '', '(%S+):(%d+)') do
    if name == epoch then
      if seq > tonumber(last) then return 'reset' end
      -- The log may have gone backwards since that epoch ended, without a new one yet.
      if seq > head then return 'beyond' end
      return 'ok'
    end
  end
  return 'reset'
end

-- Numbers go to Redis as text made once: Redis prints each number it is given with all digits of a double.
local function text(n)
  return format('%d', n)
end

-- What a command on a conversation starts from. Nothing and the name of an error when there is none, or the actor is no member.
local function open(meta, actor)
  local v = call('HMGET', meta, 'seq', 'epoch', 'messages', 'reign', 'activeUntil', 'notifyFrom', 'bucket', 'updatedAt', 'u:' .. actor)
  if not v[9] then return nil, v[1] and 'NOT_MEMBER' or 'CONVERSATION_NOT_FOUND' end
  return {
    meta = meta, seq = tonumber(v[1]), epoch = v[2], messages = tonumber(v[3]), reign = v[4], activeUntil = tonumber(v[5] or 0),
    notifyFrom = v[6] and tonumber(v[6]), bucket = tonumber(v[7] or -1), updatedAt = tonumber(v[8] or 0),
    actor = actor, member = v[9], role = sub(v[9], 1, 1), dirty = {},
  }
end

local function roleOf(meta, user)
  local member = call('HGET', meta, 'u:' .. user)
  return member and sub(member, 1, 1)
end

local function set(c, name, value)
  local d = c.dirty
  d[#d + 1] = name
  d[#d + 1] = value
end

-- Where the activation starts that members must be told of, if one is due: see Activation in store.ts. `seq` is that of an append, or nil for
-- what is published without one; `covering` appends must be told even while the conversation is active.
local function activation(c, at, seq, covering)
  if seq and not c.notifyFrom and (covering or c.activeUntil <= at) then
    c.notifyFrom = seq
    set(c, 'notifyFrom', text(seq))
  end
  if c.notifyFrom then return c.notifyFrom end
  if c.activeUntil - at < ACTIVE_MS / 2 then return seq or c.seq + 1 end
end

-- The activation of a repeat: the first one's, unless it was confirmed.
local function reactivate(c, seq)
  if c.notifyFrom and c.notifyFrom <= seq then return c.notifyFrom end
end

-- The reply of a command whose state held already. What an earlier write of it left unheard is still to be told.
local function same(c)
  return c.notifyFrom and { 0, c.epoch, c.notifyFrom, c.seq } or {}
end

local function channel(c)
  return sub(c.meta, 1, -6)
end

-- Gives the next seq to an event, stores and publishes it.
local function append(c, log, at, kind, tail)
  if c.reign ~= currentReign() then
    c.epoch = fork(c.meta, c.epoch, c.seq)
    c.reign = reign
  end
  local seq = c.seq + 1
  local seqText = text(seq)
  c.seq, c.seqText = seq, seqText
  if kind == 'm' then c.messages = c.messages + 1 end
  local messagesText = text(c.messages)
  c.messagesText, c.updatedAt = messagesText, math.max(c.updatedAt, at)
  c.appended = true
  call('HSET', log, seqText, kind .. messagesText .. '|' .. tail)
  call('SPUBLISH', channel(c), '{"type":"event","seq":' .. seqText .. ',"epoch":"' .. c.epoch .. '",' .. tail)
  return seq
end

local function save(c)
  local d = c.dirty
  if c.appended then
    call('HSET', c.meta, 'seq', c.seqText, 'messages', c.messagesText, 'updatedAt', text(c.updatedAt), unpack(d))
  elseif #d > 0 then
    call('HSET', c.meta, unpack(d))
  end
end

-- The reply of everything that appends: seq, epoch, and where the activation starts if there is one.
local function done(c, seq, from)
  save(c)
  return { seq, c.epoch, from }
end

local function entry(log, seq)
  local value = call('HGET', log, seq)
  if not value then return nil end
  local bar = find(value, '|', 1, true)
  return { kind = sub(value, 1, 1), ordinal = sub(value, 2, bar - 1), tail = sub(value, bar + 1) }
end

local function storeEntry(log, seq, e)
  call('HSET', log, seq, e.kind .. e.ordinal .. '|' .. e.tail)
end

local function senderOf(e)
  return match(e.tail, '"actorId":"([^"]*)"')
end

-- The tail up to and with `"data":`; nothing before it is chosen by a client freely.
local function headOf(e)
  local _, last = find(e.tail, '"data":', 1, true)
  return sub(e.tail, 1, last)
end

-- A repeat: the first event's id and time stand in its tail. With an activation goes the seq the log has reached, as in all replies without an
-- append.
local function duplicate(c, log, seq)
  local from = reactivate(c, seq)
  return { seq, c.epoch, from or 0, headOf(entry(log, seq)), c.seq }
end

-- Where the key of a message is kept on its day, and its seq if it was kept on the day before, or after by a clock that is ahead. A day that begins
-- takes the bucket of the day three before it.
local function findKey(c, buckets, field, at)
  local day = math.floor(at / BUCKET_MS)
  if day > c.bucket then
    for began = math.max(c.bucket + 1, day - 2), day do call('UNLINK', buckets[began % 3]) end
    call('PEXPIRE', buckets[(day - 2) % 3], BUCKET_MARGIN_MS)
    c.bucket = day
    set(c, 'bucket', text(day))
    c.newBucket = true
  elseif day < c.bucket then
    -- No clock is further behind than by a day.
    day = c.bucket - 1
    c.newBucket = true
  end
  local first = call('HGET', buckets[(day - 1) % 3], field)
  if not first and day < c.bucket then first = call('HGET', buckets[(day + 1) % 3], field) end
  return buckets[day % 3], first
end

-- KEYS meta log sent:0 sent:1 sent:2; ARGV actor at tail clientMessageId replyTo
local function send(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local log, at = K[2], tonumber(A[2])
  local field = A[1] .. ' ' .. A[4]
  local sent, first = findKey(c, { [0] = K[3], K[4], K[5] }, field, at)
  if not first and A[5] ~= '' then
    first = call('HGET', sent, field)
    local target = not first and call('HGET', log, A[5])
    if not first and not (target and find(target, '^[mx]')) then return 'MESSAGE_NOT_FOUND' end
  end
  if not first and call('HSETNX', sent, field, text(c.seq + 1)) == 0 then first = call('HGET', sent, field) end
  if first then return duplicate(c, log, tonumber(first)) end
  if c.newBucket then call('PEXPIRE', sent, BUCKET_TTL_MS) end
  local seq = append(c, log, at, 'm', A[3])
  local joined = match(c.member, '^%a:[%d/]+:')
  set(c, 'u:' .. c.actor, joined .. c.seqText .. ':' .. c.messagesText .. ':' .. c.seqText)
  return done(c, seq, activation(c, at, seq))
end

-- JSON as `JSON.stringify` writes it, from a place on, with the names of each object in order; and the place after it. Nothing is decoded.
local function sorted(json, from)
  local first = sub(json, from, from)
  if first == '"' then
    local to = find(json, '["\\]', from + 1)
    while sub(json, to, to) ~= '"' do to = find(json, '["\\]', to + 2) end
    return sub(json, from, to), to + 1
  end
  if first ~= '{' and first ~= '[' then
    local value = match(json, '^[^,%]}]+', from)
    return value, from + #value
  end
  local parts, next = {}, from + 1
  while not find(json, '^[%]}]', next) do
    if sub(json, next, next) == ',' then next = next + 1 end
    local name, value = ''
    if first == '{' then
      name, next = sorted(json, next)
      next = next + 1
    end
    value, next = sorted(json, next)
    parts[#parts + 1] = name .. ':' .. value
  end
  if first == '{' then table.sort(parts) end
  return first .. table.concat(parts, ',') .. sub(json, next, next), next + 1
end

-- Whether two texts of JSON differ in the order of names at most.
local function sameJson(a, b)
  return a == b or (#a == #b and a ~= '' and sorted(a, 1) == sorted(b, 1))
end

-- KEYS meta log edits; ARGV actor at tail target text metadata (both as JSON, metadata '' to keep)
local function edit(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local log, at, target = K[2], tonumber(A[2]), A[4]
  local e = entry(log, target)
  if not e or e.kind ~= 'm' then return 'MESSAGE_NOT_FOUND' end
  if senderOf(e) ~= c.actor then return 'NOT_YOUR_MESSAGE' end
  local head = headOf(e)
  local from = find(e.tail, '"text":', #head + 1, true)
  local body = sub(e.tail, from + 7, -3)
  local cut = find(body, ',"metadata":', 1, true)
  local words, metadata = body, ''
  if cut then words, metadata = sub(body, 1, cut - 1), sub(body, cut + 12) end
  local newMetadata = A[6]
  if newMetadata == '' then newMetadata = metadata end
  if words == A[5] and sameJson(metadata, newMetadata) then return same(c) end
  local before = sub(e.tail, #head + 1, from - 1)
  local stamp = find(before, '"editedAt":', 1, true)
  if stamp then before = sub(before, 1, stamp - 1) end
  e.tail = head .. before .. '"editedAt":' .. A[2] .. ',"text":' .. A[5]
    .. (newMetadata ~= '' and (',"metadata":' .. newMetadata) or '') .. '}}'
  storeEntry(log, target, e)
  local seq = append(c, log, at, 'e', A[3])
  local edits = call('HGET', K[3], target)
  call('HSET', K[3], target, edits and (edits .. ' ' .. c.seqText) or c.seqText)
  return done(c, seq, activation(c, at, seq))
end

-- KEYS meta log edits reactions reactors:<target>; ARGV actor at tail target
local function delete(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local log, at, target = K[2], tonumber(A[2]), A[4]
  local e = entry(log, target)
  if not e or e.kind == 'e' then return 'MESSAGE_NOT_FOUND' end
  if senderOf(e) ~= c.actor and c.role == 'm' then return 'FORBIDDEN' end
  if e.kind == 'x' then return same(c) end
  e.kind = 'x'
  e.tail = headOf(e) .. '{"deletedAt":' .. A[2] .. ',"deletedBy":"' .. c.actor .. '"}}'
  storeEntry(log, target, e)
  for seq in gmatch(call('HGET', K[3], target) or '', '%d+') do
    local edited = entry(log, seq)
    edited.tail = headOf(edited) .. '{"target":' .. target .. '}}'
    storeEntry(log, seq, edited)
  end
  call('HDEL', K[3], target)
  call('HDEL', K[4], target)
  call('UNLINK', K[5])
  local seq = append(c, log, at, 'e', A[3])
  return done(c, seq, activation(c, at, seq))
end

local function parseSummary(text)
  local list = {}
  for emoji, count, users in gmatch(text or '', '([^\31]+)\31(%d+)\31([^\30]*)\30') do
    list[#list + 1] = { emoji = emoji, count = tonumber(count), users = users }
  end
  return list
end

local function saveSummary(key, target, list)
  if #list == 0 then return call('HDEL', key, target) end
  local out = {}
  for i, r in ipairs(list) do out[i] = r.emoji .. '\31' .. r.count .. '\31' .. r.users .. '\30' end
  call('HSET', key, target, table.concat(out))
end

-- The first users with this emoji, each followed by a blank, in the order they reacted.
local function firstUsers(reactors, emoji)
  local users, prefix, from = {}, emoji .. '\31', 0
  repeat
    local members = call('ZRANGE', reactors, from, from + SCAN - 1)
    for _, member in ipairs(members) do
      if #users < SUMMARY_USERS and sub(member, 1, #prefix) == prefix then users[#users + 1] = sub(member, #prefix + 1) .. ' ' end
    end
    from = from + SCAN
  until #members < SCAN or #users == SUMMARY_USERS
  return table.concat(users)
end

-- KEYS meta log reactions reactors:<target>; ARGV actor at tail target emoji add|remove
local function react(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local log, at, target, emoji = K[2], tonumber(A[2]), A[4], A[5]
  local e = entry(log, target)
  if not e or e.kind ~= 'm' then return 'MESSAGE_NOT_FOUND' end
  local member, adding = emoji .. '\31' .. c.actor, A[6] == 'add'
  local present = call('ZSCORE', K[4], member) and true or false
  if adding == present then return same(c) end
  local list = parseSummary(call('HGET', K[3], target))
  local place, r
  for i, candidate in ipairs(list) do
    if candidate.emoji == emoji then place, r = i, candidate end
  end
  if adding and not r and #list >= MAX_EMOJI then return 'LIMIT' end
  local seq = append(c, log, at, 'e', A[3])
  if adding then
    call('ZADD', K[4], c.seqText, member)
    if not r then
      list[#list + 1] = { emoji = emoji, count = 1, users = c.actor .. ' ' }
    else
      r.count = r.count + 1
      if r.count <= SUMMARY_USERS then r.users = r.users .. c.actor .. ' ' end
    end
  else
    call('ZREM', K[4], member)
    r.count = r.count - 1
    if r.count == 0 then
      table.remove(list, place)
    elseif find(' ' .. r.users, ' ' .. c.actor .. ' ', 1, true) then
      r.users = firstUsers(K[4], emoji)
    end
  end
  saveSummary(K[3], target, list)
  return done(c, seq, activation(c, at, seq))
end

-- The reply of what is published without an event: no seq, but perhaps an activation.
local function published(c, at, frame)
  call('SPUBLISH', channel(c), frame)
  local from = activation(c, at)
  if from then return { 0, c.epoch, from, c.seq } end
  return {}
end

-- KEYS meta log; ARGV actor at id read|delivered seq maxMembers
local function receipt(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local at, kind = tonumber(A[2]), A[4]
  local seq = math.min(tonumber(A[5]), c.seq)
  local joined, read, ordinal, delivered = match(c.member, '^(%a:[%d/]+:)(%d+):(%d+):(%d+)')
  read, delivered = tonumber(read), tonumber(delivered)
  if kind == 'read' then
    if seq <= read then return {} end
    read, ordinal, delivered = seq, entry(K[2], seq).ordinal, math.max(delivered, seq)
  else
    if seq <= delivered then return {} end
    delivered = seq
  end
  call('HSET', K[1], 'u:' .. c.actor, joined .. text(read) .. ':' .. ordinal .. ':' .. text(delivered))
  if tonumber(call('HGET', K[1], 'members')) > tonumber(A[6]) then return {} end
  return published(c, at, '{"type":"receipt","conversationId":"' .. A[3] .. '","userId":"' .. c.actor .. '","kind":"' .. kind
    .. '","seq":' .. text(seq) .. ',"at":' .. A[2] .. '}')
end

-- KEYS meta; ARGV actor at frame
local function typing(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  return published(c, tonumber(A[2]), A[3])
end

-- Lets a user in with the event about to be appended, at a place in its list: there a newcomer's cursors start.
local function enrol(meta, roster, seq, place, messages, at, user, role)
  local joined, seqText = at .. '/' .. text(seq) .. '/' .. text(place), text(seq)
  call('HSET', meta, 'u:' .. user, sub(role, 1, 1) .. ':' .. joined .. ':' .. seqText .. ':' .. text(messages) .. ':' .. seqText)
  call('ZADD', roster, 0, user)
end

-- KEYS meta log roster; ARGV actor at tail kind title maxMembers user role user role …
local function create(K, A)
  local meta, at = K[1], tonumber(A[2])
  if call('EXISTS', meta) == 1 then
    local c, err = open(meta, A[1])
    if err then return 'IDEMPOTENCY_MISMATCH' end
    return duplicate(c, K[2], 1)
  end
  local count = (#A - 6) / 2
  if count > tonumber(A[6]) then return 'LIMIT' end
  -- The fields of the write path first: a small hash is searched from the front.
  call('HSET', meta, 'seq', 0, 'epoch', newEpoch(), 'messages', 0, 'reign', currentReign(), 'members', count, 'addedSeq', 1, 'kind', A[4], 'createdAt', A[2])
  if A[5] ~= '' then call('HSET', meta, 'title', A[5]) end
  for i = 7, #A, 2 do enrol(meta, K[3], 1, i, 0, A[2], A[i], A[i + 1]) end
  local c = open(meta, A[7])
  local seq = append(c, K[2], at, 'e', A[3])
  return done(c, seq, activation(c, at, seq, true))
end

-- KEYS meta log; ARGV actor at tail title
local function update(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local at = tonumber(A[2])
  local known = call('HMGET', c.meta, 'kind', 'title')
  if known[1] == 'direct' then return 'DIRECT_FIXED' end
  if c.role == 'm' then return 'FORBIDDEN' end
  if known[2] == A[4] then return same(c) end
  set(c, 'title', A[4])
  local seq = append(c, K[2], at, 'e', A[3])
  return done(c, seq, activation(c, at, seq))
end

-- KEYS meta log roster; ARGV actor at tail (up to the list of members) maxMembers announced (1 or 0) user role user role …
-- Replies with the users let in after the usual three; with UNANNOUNCED when all is well but the users' indexes were not written.
local function add(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local at = tonumber(A[2])
  local known = call('HMGET', c.meta, 'kind', 'members')
  if known[1] == 'direct' then return 'DIRECT_FIXED' end
  if c.role == 'm' then return 'FORBIDDEN' end
  local fresh, seen = {}, {}
  for i = 6, #A, 2 do
    if A[i + 1] == 'owner' or (A[i + 1] == 'admin' and c.role ~= 'o') then return 'FORBIDDEN' end
    if not seen[A[i]] and not roleOf(c.meta, A[i]) then
      seen[A[i]] = true
      fresh[#fresh + 1] = { A[i], A[i + 1] }
    end
  end
  if #fresh == 0 then return same(c) end
  local count = known[2] + #fresh
  if count > tonumber(A[4]) then return 'LIMIT' end
  if A[5] ~= '1' then return 'UNANNOUNCED' end
  local texts, reply = {}, {}
  for i, m in ipairs(fresh) do
    enrol(c.meta, K[3], c.seq + 1, i, c.messages, A[2], m[1], m[2])
    texts[i] = '{"userId":"' .. m[1] .. '","role":"' .. m[2] .. '"}'
    reply[i + 3] = m[1]
  end
  set(c, 'members', text(count))
  set(c, 'addedSeq', text(c.seq + 1))
  local seq = append(c, K[2], at, 'e', A[3] .. table.concat(texts, ',') .. ']}}')
  reply[1], reply[2], reply[3] = seq, c.epoch, activation(c, at, seq, true)
  save(c)
  return reply
end

-- The longest-standing admin, else member, by the order of joining: clocks may differ. Nobody while there is another owner.
local function heir(meta, roster, leaving)
  local best
  for _, user in ipairs(call('ZRANGE', roster, 0, -1)) do
    if user ~= leaving then
      local letter, seq, place = match(call('HGET', meta, 'u:' .. user), '^(%a):%d+/(%d+)/(%d+)')
      if letter == 'o' then return nil end
      local admin = letter == 'a'
      seq, place = tonumber(seq), tonumber(place)
      local earlier = best and (seq < best.seq or (seq == best.seq and place < best.place))
      if not best or (admin and not best.admin) or (admin == best.admin and earlier) then
        best = { user = user, admin = admin, seq = seq, place = place }
      end
    end
  end
  return best and best.user
end

local function setRole(meta, user, letter)
  call('HSET', meta, 'u:' .. user, letter .. sub(call('HGET', meta, 'u:' .. user), 2))
end

-- KEYS meta log roster; ARGV actor at tail user tail-of-roles (up to the list of roles)
local function remove(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local at, user = tonumber(A[2]), A[4]
  local known = call('HMGET', c.meta, 'kind', 'members')
  if known[1] == 'direct' then return 'DIRECT_FIXED' end
  local target = roleOf(c.meta, user)
  if c.actor ~= user and (c.role == 'm' or (c.role == 'a' and target and target ~= 'm')) then return 'FORBIDDEN' end
  if not target then return same(c) end
  local first = c.seq + 1
  if target == 'o' then
    local next = heir(c.meta, K[3], user)
    if next then
      setRole(c.meta, next, 'o')
      append(c, K[2], at, 'e', A[5] .. '{"userId":"' .. next .. '","role":"owner"}]}}')
    end
  end
  call('HDEL', c.meta, 'u:' .. user)
  call('ZREM', K[3], user)
  set(c, 'members', text(known[2] - 1))
  local seq = append(c, K[2], at, 'e', A[3])
  return done(c, seq, activation(c, at, first))
end

-- KEYS meta log; ARGV actor at tail user role tail-when-ownership-moves
local function role(K, A)
  local c, err = open(K[1], A[1])
  if err then return err end
  local at, user = tonumber(A[2]), A[4]
  if call('HGET', c.meta, 'kind') == 'direct' then return 'DIRECT_FIXED' end
  if c.role ~= 'o' then return 'FORBIDDEN' end
  local target = roleOf(c.meta, user)
  if not target then return 'NOT_MEMBER' end
  if ROLES[target] == A[5] then return same(c) end
  if user == c.actor then return 'FORBIDDEN' end
  local tail = A[3]
  setRole(c.meta, user, sub(A[5], 1, 1))
  if A[5] == 'owner' then
    setRole(c.meta, c.actor, 'a')
    tail = A[6]
  end
  local seq = append(c, K[2], at, 'e', tail)
  return done(c, seq, activation(c, at, seq))
end

-- KEYS meta; ARGV until through epoch. Who was let in after `through` may be missing among those who were told: then replies with the seq up to
-- which they must be listed again.
local function confirm(K, A)
  local v = call('HMGET', K[1], 'seq', 'activeUntil', 'notifyFrom', 'addedSeq', 'epoch')
  if v[5] ~= A[3] then return 0 end
  local before, till = tonumber(v[2] or 0), tonumber(A[1])
  if before <= till - ACTIVE_MS then call('HSET', K[1], 'activeFrom', v[3] or text(v[1] + 1)) end
  if till > before then call('HSET', K[1], 'activeUntil', A[1]) end
  if not v[3] then return 0 end
  if tonumber(v[4] or 0) > tonumber(A[2]) then return tonumber(v[4]) end
  call('HDEL', K[1], 'notifyFrom')
  return 0
end

-- KEYS meta; ARGV seq. Someone has seen this seq, which is beyond the log. If the log was last written under another reign it may have
-- lost its tail, and gets a new epoch; if not, that someone is mistaken, and no client may move others to a new epoch.
local function repair(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'reign')
  if not v[1] or tonumber(A[1]) <= tonumber(v[1]) then return 0 end
  if v[3] == currentReign() then return 0 end
  fork(K[1], v[2], tonumber(v[1]))
  return 1
end

-- A conversation as a member sees it, in the order `toConversation` of conversation-store.ts expects; nothing and the name of an
-- error for others.
local function view(meta, user)
  local v = call('HMGET', meta, 'kind', 'title', 'createdAt', 'updatedAt', 'members', 'epoch', 'seq', 'messages', 'u:' .. user)
  local member = v[9]
  if not member then return nil, v[1] and 'NOT_MEMBER' or 'CONVERSATION_NOT_FOUND' end
  local letter, read, ordinal = match(member, '^(%a):[%d/]+:(%d+):(%d+)')
  local peer = ''
  if v[1] == 'direct' then
    for _, field in ipairs(call('HKEYS', meta)) do
      if sub(field, 1, 2) == 'u:' and field ~= 'u:' .. user then peer = sub(field, 3) end
    end
  end
  return { v[1], v[2] or '', v[3], v[4], v[5], v[6], v[7], tonumber(v[8]) - tonumber(ordinal), ROLES[letter], read, peer }
end

-- KEYS meta; ARGV user
local function describe(K, A)
  local v, err = view(K[1], A[1])
  return err or v
end

-- Entries first … last, each followed by its reactions ('' for none), onto the end of `out`.
local function entries(out, log, reactions, first, last)
  if last < first then return out end
  local fields = {}
  for seq = first, last do fields[#fields + 1] = seq end
  local texts = call('HMGET', log, unpack(fields))
  local summaries = call('EXISTS', reactions) == 1 and call('HMGET', reactions, unpack(fields))
  local n = #out
  for i = 1, #fields do
    out[n + 1] = texts[i]
    out[n + 2] = summaries and summaries[i] or ''
    n = n + 2
  end
  return out
end

-- KEYS meta log reactions; ARGV user seq ('' without a cursor) epoch limit
-- Replies with status, the view, until when the conversation is active, whether an activation is not confirmed (1 or 0), and the events.
local function sync(K, A)
  local v, err = view(K[1], A[1])
  if err then return err end
  local head, status, after = tonumber(v[7]), 'events', tonumber(A[2])
  if after then
    local worth = judge(K[1], after, A[3], head, v[6])
    if worth ~= 'ok' then status = worth
    elseif head - after > tonumber(A[4]) then status = 'truncated' end
  end
  local activity = call('HMGET', K[1], 'activeUntil', 'notifyFrom')
  local out = { status, v, tonumber(activity[1] or 0), activity[2] and 1 or 0 }
  if after and status == 'events' then entries(out, K[2], K[3], after + 1, head) end
  return out
end

-- KEYS meta log reactions; ARGV after epoch limit. Replies with head, epoch, what the position is worth, and the events.
local function range(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch')
  if not v[1] then return 'CONVERSATION_NOT_FOUND' end
  local head, after = tonumber(v[1]), tonumber(A[1])
  local worth = judge(K[1], after, A[2], head, v[2])
  local out = { head, v[2], worth }
  if worth == 'ok' then entries(out, K[2], K[3], after + 1, math.min(head, after + tonumber(A[3]))) end
  return out
end

-- The first seq of the period of activity at `now`; the next seq when there is none.
local function activeFrom(head, now, activeUntil, activeFrom, notifyFrom)
  local from
  if tonumber(activeUntil or 0) > now then from = activeFrom else from = notifyFrom end
  return tonumber(from or head + 1)
end

-- KEYS meta log reactions; ARGV after epoch limit now user … Replies with head, epoch, what the position is worth, the first seq of the
-- period of activity, the members among the users, and the events.
local function join(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'activeUntil', 'activeFrom', 'notifyFrom')
  if not v[1] then return 'CONVERSATION_NOT_FOUND' end
  local head, after, members = tonumber(v[1]), tonumber(A[1]), {}
  for i = 5, #A do
    if call('HEXISTS', K[1], 'u:' .. A[i]) == 1 then members[#members + 1] = A[i] end
  end
  local worth = judge(K[1], after, A[2], head, v[2])
  local out = { head, v[2], worth, activeFrom(head, tonumber(A[4]), v[3], v[4], v[5]), members }
  if worth ~= 'ok' or #members == 0 then return out end
  return entries(out, K[2], K[3], after + 1, math.min(head, after + tonumber(A[3])))
end

-- KEYS meta log reactions; ARGV user before|after seq limit all|messages
-- Replies with head, epoch, more (1 or 0), the seq to go on from ('' when the page is done), and per event its seq, text, reactions.
local function history(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'messages', 'u:' .. A[1])
  if not v[4] then return v[1] and 'NOT_MEMBER' or 'CONVERSATION_NOT_FOUND' end
  local head, limit, onlyMessages, back = tonumber(v[1]), tonumber(A[4]), A[5] == 'messages', A[2] == 'before'
  local step = back and -1 or 1
  local seq = back and math.min(tonumber(A[3]) - 1, head) or tonumber(A[3]) + 1
  local out, found, scanned, lastOrdinal, lastSeq = { head, v[2], 0, '' }, 0, 0, nil, nil
  local withReactions = call('EXISTS', K[3]) == 1
  while found < limit and seq >= 1 and seq <= head do
    if scanned >= SCAN_MAX then
      out[4] = back and seq + 1 or seq - 1
      break
    end
    local count = math.min(onlyMessages and SCAN or limit - found, back and seq or head - seq + 1)
    local fields = {}
    for i = 1, count do fields[i] = seq + (i - 1) * step end
    local texts = call('HMGET', K[2], unpack(fields))
    local summaries = withReactions and call('HMGET', K[3], unpack(fields))
    for i = 1, count do
      if found == limit then break end
      if not onlyMessages or sub(texts[i], 1, 1) ~= 'e' then
        found = found + 1
        local n = #out
        out[n + 1], out[n + 2], out[n + 3] = fields[i], texts[i], summaries and summaries[i] or ''
        lastSeq, lastOrdinal = fields[i], tonumber(match(texts[i], '^%a(%d+)'))
      end
    end
    seq, scanned = seq + count * step, scanned + count
  end
  if out[4] == '' then
    local more
    if not lastSeq then
      more = false
    elseif onlyMessages then
      more = back and lastOrdinal > 1 or (not back and lastOrdinal < tonumber(v[3]))
    else
      more = back and lastSeq > 1 or (not back and lastSeq < head)
    end
    out[3] = more and 1 or 0
  end
  return out
end

-- KEYS meta; ARGV user now. Replies with head, epoch, and the first seq of the activation period.
local function active(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'activeUntil', 'activeFrom', 'notifyFrom', 'u:' .. A[1])
  if not v[6] then return 'NOT_MEMBER' end
  return { tonumber(v[1]), v[2], activeFrom(tonumber(v[1]), tonumber(A[2]), v[3], v[4], v[5]) }
end

-- KEYS an index of a user (hash: what -> written at); ARGV what before. Forgets an entry that was found not to be
-- true, unless it was written so lately that what it announces may still be on its way.
local function forget(K, A)
  local written = call('HGET', K[1], A[1])
  if not written or tonumber(written) >= tonumber(A[2]) then return 0 end
  call('HDEL', K[1], A[1])
  return 1
end

local SESSION = { 'data', 'lastUsedAt', 'expiresAt', 'generation' }
local function sessionReply(key)
  return call('HMGET', key, unpack(SESSION))
end

-- KEYS session; ARGV user data lastUsedAt expiresAt refreshHash ttlMs
local function sessionCreate(K, A)
  call('HSET', K[1], 'user', A[1], 'data', A[2], 'lastUsedAt', A[3], 'expiresAt', A[4], 'generation', 1, 'hash', A[5])
  call('PEXPIRE', K[1], A[6])
  return 1
end

-- KEYS session; ARGV generation refreshHash nextHash at expiresAt graceMs ttlMs
local function sessionRotate(K, A)
  local v = call('HMGET', K[1], 'generation', 'hash', 'previousHash', 'rotatedAt', 'expiresAt')
  if not v[1] or tonumber(v[5]) <= tonumber(A[4]) then return { 'unknown' } end
  local generation, given = tonumber(v[1]), tonumber(A[1])
  if given > generation then return { 'unknown' } end
  local good = given == generation and A[2] == v[2]
  local graced = given == generation - 1 and A[2] == v[3] and A[4] - v[4] < tonumber(A[6])
  if not good and not graced then
    local session = sessionReply(K[1])
    call('UNLINK', K[1])
    return { 'reused', session }
  end
  call('HSET', K[1], 'generation', generation + 1, 'previousHash', v[2], 'hash', A[3], 'rotatedAt', A[4], 'lastUsedAt', A[4], 'expiresAt', A[5])
  call('PEXPIRE', K[1], A[7])
  return { 'rotated', sessionReply(K[1]) }
end

-- KEYS session; ARGV user
local function sessionRevoke(K, A)
  if call('HGET', K[1], 'user') ~= A[1] then return 0 end
  call('UNLINK', K[1])
  return 1
end

-- KEYS partners revoked; ARGV id at
local function partnerRevoke(K, A)
  if call('HEXISTS', K[1], A[1]) == 0 then return 0 end
  return call('HSETNX', K[2], A[1], A[2])
end

-- KEYS keys order; ARGV kid text createdAt keep only-if-none (1 or 0)
local function signingAdd(K, A)
  if A[5] == '1' and call('EXISTS', K[1]) == 1 then return 0 end
  call('HSET', K[1], A[1], A[2])
  call('ZADD', K[2], A[3], A[1])
  for _, kid in ipairs(call('ZREVRANGE', K[2], A[4], -1)) do
    call('HDEL', K[1], kid)
    call('ZREM', K[2], kid)
  end
  return 1
end

-- Answers wherever this library is loaded.
local function loaded()
  return 1
end

-- Takes no key and writes nothing, but is refused like a write when the server takes none.
local function ready()
  return 1
end

-- KEYS meta roster; ARGV from (as ZRANGEBYLEX takes it) limit. Replies with users and what meta holds of them, in turns.
local function roster(K, A)
  local out = {}
  local users = call('ZRANGEBYLEX', K[2], A[1], '+', 'LIMIT', 0, A[2])
  if #users == 0 then return out end
  for i, user in ipairs(users) do
    out[2 * i - 1], out[2 * i] = user, call('HGET', K[1], 'u:' .. user)
  end
  return out
end

local function serverMs()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function readLeases(key)
  local fields, leases = call('HGETALL', key), {}
  for i = 1, #fields, 2 do
    local ends, since, ttl, floor = match(fields[i + 1], '^(%d+):(%d+):(%d+):(%d+)$')
    leases[#leases + 1] =
      { gateway = fields[i], ends = tonumber(ends), since = tonumber(since), ttl = tonumber(ttl), floor = tonumber(floor) }
  end
  return leases
end
local function writeLease(key, lease)
  call('HSET', key, lease.gateway, format('%d:%d:%d:%d', lease.ends, lease.since, lease.ttl, lease.floor))
end
local function leasesReply(leases, now)
  local out = { format('%d', now) }
  for _, lease in ipairs(leases) do
    out[#out + 1] = lease.gateway
    out[#out + 1] = format('%d', lease.ends)
    out[#out + 1] = format('%d', lease.since)
    out[#out + 1] = format('%d', lease.floor)
  end
  return out
end

-- K: leases  A: gateway, ttl, floor, how long a lapsed lease is remembered; ms
local function leaseRenew(K, A)
  local key, gateway, ttl, floor, kept, now = K[1], A[1], tonumber(A[2]), tonumber(A[3]), tonumber(A[4]), serverMs()
  local leases, own, renewedAt = {}, nil, 0
  for _, lease in ipairs(readLeases(key)) do
    if lease.ends < now - kept then
      call('HDEL', key, lease.gateway)
    else
      leases[#leases + 1] = lease
      if lease.gateway == gateway then own = lease end
      renewedAt = math.max(renewedAt, lease.ends - lease.ttl)
    end
  end
  -- Every gateway renews three times in a ttl. If none did for half of one, this server was away, or its clock was set ahead: what has
  -- passed since then is nobody's fault, and must not take everybody offline.
  local gap = now - renewedAt
  for _, lease in ipairs(leases) do
    local ends = lease.ends
    if gap > ttl / 2 and ends > renewedAt then ends = ends + gap end
    -- The clock was set back: no lease lasts longer than from now.
    ends = math.min(ends, now + lease.ttl)
    if ends ~= lease.ends then
      lease.ends = ends
      writeLease(key, lease)
    end
  end
  if not own then
    own = { gateway = gateway, ends = 0, floor = 0 }
    leases[#leases + 1] = own
  end
  if own.ends <= now then own.since = now end
  own.ends, own.ttl, own.floor = now + ttl, ttl, math.max(own.floor, floor)
  writeLease(key, own)
  return leasesReply(leases, now)
end

-- Without a length, so that it is not taken for a renewal.
local function leaseRelease(K, A)
  local now = serverMs()
  for _, lease in ipairs(readLeases(K[1])) do
    if lease.gateway == A[1] and lease.ends > now then
      lease.ends, lease.ttl = now, 0
      writeLease(K[1], lease)
    end
  end
  return 1
end

local function leaseList(K)
  return leasesReply(readLeases(K[1]), serverMs())
end

local function raiseSeen(key, at)
  local seen = call('HGET', key, 'seen')
  if not seen or tonumber(seen) < tonumber(at) then call('HSET', key, 'seen', at) end
end

-- K: presence  A: gateway, version, 1 or 0 for online, when it happened, how long offline records are kept, expiry of the key; ms
local function presenceSet(K, A)
  local key, gateway, version, online, at, now = K[1], A[1], tonumber(A[2]), A[3], A[4], serverMs()
  local fields = call('HGETALL', key)
  for i = 1, #fields, 2 do
    local storedVersion, storedOnline, writtenAt = match(fields[i + 1], '^(%d+):([01]):(%d+)$')
    if fields[i] == gateway then
      if storedVersion and tonumber(storedVersion) >= version then return 0 end
    elseif storedOnline == '0' and tonumber(writtenAt) < now - tonumber(A[5]) then
      call('HDEL', key, fields[i])
    end
  end
  call('HSET', key, gateway, format('%d:%s:%d', version, online, now))
  if online == '0' then raiseSeen(key, at) end
  call('PEXPIRE', key, A[6])
  return 1
end

-- K: presence  A: gateway, the record as it was read, when the user was last seen there
local function presenceForget(K, A)
  if call('HGET', K[1], A[1]) ~= A[2] then return 0 end
  call('HDEL', K[1], A[1])
  raiseSeen(K[1], A[3])
  return 1
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

writes('send', send)
writes('edit', edit)
writes('delete', delete)
writes('react', react)
writes('receipt', receipt)
writes('typing', typing)
writes('create', create)
writes('update', update)
writes('add', add)
writes('remove', remove)
writes('role', role)
writes('confirm', confirm)
writes('repair', repair)
writes('forget', forget)
writes('sessionCreate', sessionCreate)
writes('sessionRotate', sessionRotate)
writes('sessionRevoke', sessionRevoke)
writes('partnerRevoke', partnerRevoke)
writes('signingAdd', signingAdd)
writes('ready', ready)
writes('leaseRenew', leaseRenew)
writes('leaseRelease', leaseRelease)
writes('presenceSet', presenceSet)
writes('presenceForget', presenceForget)
reads('loaded', loaded)
reads('describe', describe)
reads('sync', sync)
reads('range', range)
reads('join', join)
reads('history', history)
reads('active', active)
reads('roster', roster)
reads('leaseList', leaseList)
