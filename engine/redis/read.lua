-- Reads of conversations that must see one state.

-- What `head` and `state` of a conversation say: seq, epoch, number of messages, activeUntil, notifyFrom.
local function numbers(head, state)
  local seq, messages = match(head, HEAD)
  local epoch, _, activeUntil, notifyFrom = match(state, STATE)
  return tonumber(seq), epoch, tonumber(messages), tonumber(activeUntil), tonumber(notifyFrom)
end

-- Messages looked through at once, and in one call, by a history of messages only.
local SCAN_STEP, SCAN_MAX = 200, 2000

-- KEYS meta log extras; ARGV roster (1 or 0), number of users, users, number of entries, entries, and the entries whose attached events are
-- wanted. Replies with what meta holds, the fields, and what was asked for.
local function load(K, A)
  local v = call('HMGET', K[1], 'head', 'state', 'members', 'membersVersion', 'activeFrom', 'addedSeq', 'fieldNames')
  if not v[1] then return 'notFound' end
  local fields, members, entries, attached, i = {}, {}, {}, {}, 3
  for name in gmatch(v[7] or '', '([^\31]*)\31') do
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
  local v = call('HMGET', K[1], 'head', 'state', 'f:kind', 'f:title', 'f:createdAt', 'members', 'u:' .. user)
  if not v[7] then return nil, v[1] and 'NOT_MEMBER' or 'CONVERSATION_NOT_FOUND' end
  local seq, epoch, messages = numbers(v[1], v[2])
  local read, role = match(v[7], CURSORS), sub(v[7], #match(v[7], MEMBER) + 1)
  local ordinal = tonumber(read) == seq and messages or match(call('HGET', K[2], read) or '', '^%a(%d+)') or 0
  local other = ''
  for _, field in ipairs(v[6] == '2' and call('HKEYS', K[1]) or {}) do
    if sub(field, 1, 2) == 'u:' and field ~= 'u:' .. user then other = sub(field, 3) end
  end
  return { v[3] or '', v[4] or '', v[5] or '0', match(v[1], '%d+$'), v[6], epoch, seq, messages - ordinal, role, read, other }
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
  local head, status, after = v[7], 'events', tonumber(A[2])
  if after then
    local compared = compareCursor(K[1], after, A[3], head, v[6])
    if compared ~= 'ok' then status = compared
    elseif head - after > tonumber(A[4]) then status = 'truncated' end
  end
  local _, _, _, activeUntil, notifyFrom = numbers(unpack(call('HMGET', K[1], 'head', 'state')))
  local out = { status, v, activeUntil, notifyFrom > 0 and 1 or 0 }
  if after and status == 'events' then entries(out, K, after + 1, head) end
  return out
end

-- Head, epoch, and the first seq of the period of activity at `now`, which is the next seq when there is none; nothing without a conversation.
local function activity(meta, now)
  local v = call('HMGET', meta, 'head', 'state', 'activeFrom')
  if not v[1] then return nil end
  local head, epoch, _, activeUntil, notifyFrom = numbers(v[1], v[2])
  local from = activeUntil > tonumber(now) and tonumber(v[3] or 0) or notifyFrom
  return head, epoch, from > 0 and from or head + 1
end

-- KEYS meta log extras; ARGV after epoch limit now user … Replies with head, epoch, how the position compares, the first seq of the period
-- of activity, the members among the users, and the events, unless users were named and none is a member.
local function range(K, A)
  local head, epoch, activeFrom = activity(K[1], A[4])
  if not head then return 'CONVERSATION_NOT_FOUND' end
  local after, members = tonumber(A[1]), {}
  for i = 5, #A do
    if call('HEXISTS', K[1], 'u:' .. A[i]) == 1 then members[#members + 1] = A[i] end
  end
  local compared = compareCursor(K[1], after, A[2], head, epoch)
  local out = { head, epoch, compared, activeFrom, members }
  if compared ~= 'ok' or (#A > 4 and #members == 0) then return out end
  return entries(out, K, after + 1, math.min(head, after + tonumber(A[3])))
end

-- KEYS meta log extras; ARGV user before|after seq limit all|messages
-- Replies with head, epoch, more (1 or 0), the seq to go on from ('' when the page is done), and per event its seq, text and tally.
local function history(K, A)
  local v = call('HMGET', K[1], 'head', 'state', 'u:' .. A[1])
  if not v[3] then return v[1] and 'NOT_MEMBER' or 'CONVERSATION_NOT_FOUND' end
  local head, epoch, messages = numbers(v[1], v[2])
  local limit, onlyMessages, back = tonumber(A[4]), A[5] == 'messages', A[2] == 'before'
  local step = back and -1 or 1
  local seq = back and math.min(tonumber(A[3]) - 1, head) or tonumber(A[3]) + 1
  local out, found, scanned, lastSeq, lastOrdinal = { head, epoch, 0, '' }, 0, 0, nil, nil
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
    if onlyMessages then place, last = lastOrdinal, messages end
    if (back and place > 1) or (not back and place < last) then out[3] = 1 end
  end
  return out
end

-- KEYS meta; ARGV user now. Replies with head, epoch, and the first seq of the activation period.
local function active(K, A)
  if call('HEXISTS', K[1], 'u:' .. A[1]) == 0 then return 'NOT_MEMBER' end
  return { activity(K[1], A[2]) }
end

-- KEYS meta roster; ARGV from (as ZRANGEBYLEX takes it) limit. Replies with users and what meta holds of them, in turns.
local function roster(K, A)
  local out = {}
  for i, user in ipairs(call('ZRANGEBYLEX', K[2], A[1], '+', 'LIMIT', 0, A[2])) do
    out[2 * i - 1], out[2 * i] = user, call('HGET', K[1], 'u:' .. user)
  end
  return out
end

reads('load', load)
reads('describe', describe)
reads('sync', sync)
reads('range', range)
reads('history', history)
reads('active', active)
reads('roster', roster)
