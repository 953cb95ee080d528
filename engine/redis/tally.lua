-- Tallies count users in groups, for an entry. CONV:extras has under `t:` seq what reads show of it: per group, its name, \31, its count, \31,
-- its first users, each followed by a blank, \30. CONV:counted:SEQ has everybody, as group \31 user.

local SCAN = 200

-- The groups of a tally, in order; under the name of a group its place.
local function groupsOf(extras, seq)
  local groups = {}
  for name, count, users in gmatch(call('HGET', extras, 't:' .. seq) or '', '([^\31]+)\31(%d+)\31([^\30]*)\30') do
    groups[#groups + 1] = { name = name, count = tonumber(count), users = users }
    groups['=' .. name] = #groups
  end
  return groups
end

local function saveGroups(extras, seq, groups)
  if #groups == 0 then return call('HDEL', extras, 't:' .. seq) end
  local out = {}
  for i, g in ipairs(groups) do out[i] = g.name .. '\31' .. g.count .. '\31' .. g.users .. '\30' end
  call('HSET', extras, 't:' .. seq, table.concat(out))
end

-- The first users of a group, each followed by a blank, in the order in which they were counted in.
local function firstUsers(counted, name)
  local users, prefix, from = {}, name .. '\31', 0
  repeat
    local members = call('ZRANGE', counted, from, from + SCAN - 1)
    for _, member in ipairs(members) do
      if #users < @TALLY_USERS@ and sub(member, 1, #prefix) == prefix then users[#users + 1] = sub(member, #prefix + 1) .. ' ' end
    end
    from = from + SCAN
  until #members < SCAN or #users == @TALLY_USERS@
  return table.concat(users)
end

local function countIn(extras, counted, seq, name, user)
  local groups = groupsOf(extras, seq)
  local g = groups[groups['=' .. name] or 0] or { name = name, count = 0, users = '' }
  if g.count == 0 then groups[#groups + 1] = g end
  call('ZADD', counted, 1 + (call('ZRANGE', counted, -1, -1, 'WITHSCORES')[2] or 0), name .. '\31' .. user)
  if g.count < @TALLY_USERS@ then g.users = g.users .. user .. ' ' end
  g.count = g.count + 1
  saveGroups(extras, seq, groups)
end

local function countOut(extras, counted, seq, name, user)
  local groups = groupsOf(extras, seq)
  local place = groups['=' .. name]
  local g = groups[place]
  call('ZREM', counted, name .. '\31' .. user)
  local from, to = find(' ' .. g.users, ' ' .. user .. ' ', 1, true)
  if from and g.count <= @TALLY_USERS@ then
    -- Everybody in the group is shown.
    g.users = sub(g.users, 1, from - 1) .. sub(g.users, to)
  elseif from then
    g.users = firstUsers(counted, name)
  end
  g.count = g.count - 1
  if g.count == 0 then table.remove(groups, place) end
  saveGroups(extras, seq, groups)
end
