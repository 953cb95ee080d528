-- Who is connected where. Times are those of this server, ms.
--
-- {gateways}:leases hash   gateway -> end, beginning, length and floor of its lease, joined by ':'
-- {u:ID}:presence   hash   gateway -> version, 1 or 0 for online, and when it was written, joined by ':'; `seen` -> last disconnect

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

writes('leaseRenew', leaseRenew)
writes('leaseRelease', leaseRelease)
writes('presenceSet', presenceSet)
writes('presenceForget', presenceForget)
reads('leaseList', leaseList)
