-- A ticket is a permit that was reserved for a task which has not started yet: the slot lies out until `deadline`.
-- Redeemed, it becomes a permit of its caller's own length, once; a second try, or one after the state was lost, finds
-- another deadline or another epoch and gets nothing. So a message delivered twice still makes one call.
--
-- KEYS 1 slots, 2 state, as in permit.lua
-- ARGV "redeem" | "release", epoch, slot, deadline, start, window (until a header told it), ttl, run of the server
-- Returns {-1} when the ticket is void, else {delay until it may be used, the permit's deadline}.
local op, epoch, slot, deadline = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local start, default, ttl = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local t = redis.call('TIME')
local known = redis.call('HMGET', KEYS[2], 'b', 'sv', 'w', 'dr')
local born, run, window, day = known[1], known[2], tonumber(known[3] or default), known[4]
-- Another run of the server may hold an older copy: permit.lua fences it, and what was reserved before is void.
if born ~= epoch or run ~= ARGV[8] then return { '-1' } end
local score = redis.call('ZSCORE', KEYS[1], slot)
if not score or tonumber(score) ~= deadline then return { '-1' } end
local now = t[1] * 1000000 + t[2] - tonumber(born)
local from = math.max(now, start)
if op == 'redeem' then
  from = from + window + ttl
elseif day then
  redis.call('HINCRBY', KEYS[2], 'dr', 1)  -- reserved of the day as well, and not used
  redis.call('HINCRBY', KEYS[2], 'du', -1)
end
redis.call('ZADD', KEYS[1], string.format('%.0f', from), slot)
return { string.format('%.0f', math.max(0, start - now)), string.format('%.0f', from) }
