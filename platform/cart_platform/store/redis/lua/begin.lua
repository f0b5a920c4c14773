#!lua
-- What is known of events before a handler starts on them; claims the free ones for a claimant.
--
-- KEYS: for each event: the event, the claim on it
-- ARGV: handler, claimant (empty: nobody claims), lease in milliseconds
-- Returns for each event its stored result, or the milliseconds for which another claimant holds it (0: nobody does).

local done, claimant, lease = 'done:' .. ARGV[1], ARGV[2], ARGV[3]

local function held(claim)
  local holder = redis.call('GET', claim)
  if holder and holder ~= claimant then
    return math.max(1, redis.call('PTTL', claim))
  end
  if claimant ~= '' then
    redis.call('SET', claim, claimant, 'PX', lease)
  end
  return 0
end

local standings = {}
for position = 1, #KEYS / 2 do
  local result = redis.call('HGET', KEYS[2 * position - 1], done)
  standings[position] = result or held(KEYS[2 * position])
end
return standings
