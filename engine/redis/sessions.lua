-- Indexes of users, sessions, partner keys and signing keys.
--
-- {u:ID}:conversations, {u:ID}:sessions hash what -> when it was put there, Unix ms
-- {s:ID}  hash  user data lastUsedAt expiresAt generation hash previousHash rotatedAt

-- KEYS an index of a user (hash: what -> written at), perhaps a sorted set; ARGV what before. Forgets an entry that was found not to be
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

writes('forget', forget)
writes('sessionCreate', sessionCreate)
writes('sessionRotate', sessionRotate)
writes('sessionRevoke', sessionRevoke)
writes('partnerRevoke', partnerRevoke)
writes('signingAdd', signingAdd)
