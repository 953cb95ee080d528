-- Reads of conversations and of the feed that must see one state. commit.lua says what the keys hold.

-- Messages looked through at once, and in one call, by a history of messages only.
local SCAN_STEP, SCAN_MAX = 200, 2000

-- KEYS meta log extras; ARGV roster (1 or 0), number of users, users, number of entries, entries, and the entries whose attached events are
-- wanted. Replies with head, epoch, fields, number of members, membersVersion, the activation, and what was asked for.
local function load(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'members', 'membersVersion', 'activeUntil', 'activeFrom', 'notifyFrom', 'addedSeq', 'fieldNames')
  if not v[1] then return 'notFound' end
  local fields, members, entries, attached, i = {}, {}, {}, {}, 3
  for name in gmatch(v[9] or '', '([^\31]*)\31') do
    fields[#fields + 1] = name
    fields[#fields + 1] = call('HGET', K[1], 'f:' .. name)
  end
  for n = 1, tonumber(A[2]) do members[n], i = call('HGET', K[1], 'u:' .. A[i]), i + 1 end
  local first = i + 1
  for n = 1, tonumber(A[i]) do entries[n] = call('HGET', K[2], A[first + n - 1]) end
  for n = first + tonumber(A[i]), #A do attached[#attached + 1] = call('HGET', K[3], 'a:' .. A[n]) end
  return { v, fields, members, entries, attached, A[1] == '1' and call('HGETALL', K[1]) or {} }
end

-- A conversation as a member sees it, in the order `toConversation` of conversation-store.ts expects; nothing and the name of an error for
-- others. Of two members the other one is named.
local function view(K, user)
  local v = call('HMGET', K[1], 'f:kind', 'f:title', 'f:createdAt', 'updatedAt', 'members', 'epoch', 'seq', 'messages', 'u:' .. user)
  if not v[9] then return nil, v[7] and 'NOT_MEMBER' or 'CONVERSATION_NOT_FOUND' end
  local read, role = match(v[9], '^(%d+):%d+:%d+:%d+:%d+:(.*)$')
  local ordinal = read == v[7] and v[8] or match(call('HGET', K[2], read) or '', '^%a(%d+)') or 0
  local other = ''
  for _, field in ipairs(v[5] == '2' and call('HKEYS', K[1]) or {}) do
    if sub(field, 1, 2) == 'u:' and field ~= 'u:' .. user then other = sub(field, 3) end
  end
  return { v[1] or '', v[2] or '', v[3] or '0', v[4], v[5], v[6], v[7], v[8] - ordinal, role, read, other }
end

-- KEYS meta log; ARGV user
local function describe(K, A)
  local v, err = view(K, A[1])
  return err or v
end

-- These entries, each followed by its tally ('' for none), onto the end of `out`.
local function entries(out, K, first, last)
  if last < first then return out end
  local seqs, names = {}, {}
  for seq = first, last do seqs[#seqs + 1], names[#names + 1] = seq, 't:' .. text(seq) end
  local texts = call('HMGET', K[2], unpack(seqs))
  local tallies = call('EXISTS', K[3]) == 1 and call('HMGET', K[3], unpack(names))
  for i = 1, #seqs do
    out[#out + 1] = texts[i]
    out[#out + 1] = tallies and tallies[i] or ''
  end
  return out
end

-- KEYS meta log extras; ARGV user seq ('' without a cursor) epoch limit
-- Replies with status, the view, until when the conversation is active, whether an activation is not confirmed (1 or 0), and the events.
local function sync(K, A)
  local v, err = view(K, A[1])
  if err then return err end
  local head, status, after = tonumber(v[7]), 'events', tonumber(A[2])
  if after then
    local compared = compareCursor(K[1], after, A[3], head, v[6])
    if compared ~= 'ok' then status = compared
    elseif head - after > tonumber(A[4]) then status = 'truncated' end
  end
  local activity = call('HMGET', K[1], 'activeUntil', 'notifyFrom')
  local out = { status, v, tonumber(activity[1]), activity[2] ~= '0' and 1 or 0 }
  if after and status == 'events' then entries(out, K, after + 1, head) end
  return out
end

-- The first seq of the period of activity at `now`; the next seq when there is none.
local function activeFrom(head, now, activeUntil, from, notifyFrom)
  local first = tonumber((tonumber(activeUntil) > now and from or notifyFrom) or 0)
  return first > 0 and first or head + 1
end

-- KEYS meta log extras; ARGV after epoch limit now user … Replies with head, epoch, how the position compares, the first seq of the period
-- of activity, the members among the users, and the events, unless users were named and none is a member.
local function range(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'activeUntil', 'activeFrom', 'notifyFrom')
  if not v[1] then return 'CONVERSATION_NOT_FOUND' end
  local head, after, members = tonumber(v[1]), tonumber(A[1]), {}
  for i = 5, #A do
    if call('HEXISTS', K[1], 'u:' .. A[i]) == 1 then members[#members + 1] = A[i] end
  end
  local compared = compareCursor(K[1], after, A[2], head, v[2])
  local out = { head, v[2], compared, activeFrom(head, tonumber(A[4]), v[3], v[4], v[5]), members }
  if compared ~= 'ok' or (#A > 4 and #members == 0) then return out end
  return entries(out, K, after + 1, math.min(head, after + tonumber(A[3])))
end

-- KEYS meta log extras; ARGV user before|after seq limit all|messages
-- Replies with head, epoch, more (1 or 0), the seq to go on from ('' when the page is done), and per event its seq, text and tally.
local function history(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'messages', 'u:' .. A[1])
  if not v[4] then return v[1] and 'NOT_MEMBER' or 'CONVERSATION_NOT_FOUND' end
  local head, limit, onlyMessages, back = tonumber(v[1]), tonumber(A[4]), A[5] == 'messages', A[2] == 'before'
  local step = back and -1 or 1
  local seq = back and math.min(tonumber(A[3]) - 1, head) or tonumber(A[3]) + 1
  local out, found, scanned, lastSeq, lastOrdinal = { head, v[2], 0, '' }, 0, 0, nil, nil
  while found < limit and seq >= 1 and seq <= head do
    if scanned >= SCAN_MAX then
      out[4] = seq - step
      return out
    end
    local count = math.min(onlyMessages and SCAN_STEP or limit - found, back and seq or head - seq + 1)
    local page = entries({}, K, back and seq - count + 1 or seq, back and seq or seq + count - 1)
    for i = 1, count do
      local at = back and 2 * (count - i) + 1 or 2 * i - 1
      if found < limit and not (onlyMessages and sub(page[at], 1, 1) == 'e') then
        found, lastSeq, lastOrdinal = found + 1, seq + (i - 1) * step, tonumber(match(page[at], '^%a(%d+)'))
        for _, value in ipairs({ lastSeq, page[at], page[at + 1] }) do out[#out + 1] = value end
      end
    end
    seq, scanned = seq + count * step, scanned + count
  end
  if lastSeq then
    local place, last = lastSeq, head
    if onlyMessages then place, last = lastOrdinal, tonumber(v[3]) end
    if (back and place > 1) or (not back and place < last) then out[3] = 1 end
  end
  return out
end

-- KEYS meta; ARGV user now. Replies with head, epoch, and the first seq of the activation period.
local function active(K, A)
  local v = call('HMGET', K[1], 'seq', 'epoch', 'activeUntil', 'activeFrom', 'notifyFrom', 'u:' .. A[1])
  if not v[6] then return 'NOT_MEMBER' end
  return { tonumber(v[1]), v[2], activeFrom(tonumber(v[1]), tonumber(A[2]), v[3], v[4], v[5]) }
end

-- KEYS meta roster; ARGV from (as ZRANGEBYLEX takes it) limit. Replies with users and what meta holds of them, in turns.
local function roster(K, A)
  local out = {}
  for i, user in ipairs(call('ZRANGEBYLEX', K[2], A[1], '+', 'LIMIT', 0, A[2])) do
    out[2 * i - 1], out[2 * i] = user, call('HGET', K[1], 'u:' .. user)
  end
  return out
end

-- KEYS feed feed:meta; ARGV n epoch ('' without a position) limit. Replies with how the position compares ('trimmed' too), the epoch, the
-- number of the last pointer, the number before the first one that follows, and the pointers.
local function feed(K, A)
  local v = call('HMGET', K[2], 'epoch', 'first')
  local first, length, n = tonumber(v[2] or 0), call('LLEN', K[1]), tonumber(A[1])
  local compared = n > 0 and compareCursor(K[2], n, A[2], first + length, v[1] or '') or 'ok'
  if compared == 'ok' and n < first and A[2] ~= '' then compared = 'trimmed' end
  local start = compared == 'ok' and math.max(n, first) or first
  return { compared, v[1] or '', first + length, start, call('LRANGE', K[1], start - first, start - first + A[3] - 1) }
end

reads('load', load)
reads('describe', describe)
reads('sync', sync)
reads('range', range)
reads('history', history)
reads('active', active)
reads('roster', roster)
reads('feed', feed)
