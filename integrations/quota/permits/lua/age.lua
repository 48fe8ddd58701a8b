-- Since when this store has been keeping our states, so that a state that is not there can be told from one that was
-- lost: whoever looks first, after the store was emptied or another run of the server took over, sets the mark.
--
-- KEYS 1 the mark ("<run of the server> <microseconds>")
-- ARGV microseconds that states are known to be kept already when there is no mark, run of the server
-- Returns the mark's age in microseconds.
local t = redis.call('TIME')
local clock = t[1] * 1000000 + t[2]
local run, since = string.match(redis.call('GET', KEYS[1]) or '', '^(%S*) (%d+)$')
since = tonumber(since)
if run ~= ARGV[2] or since > clock then
  since = clock - tonumber(ARGV[1])
  redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. string.format('%.0f', since))
end
return string.format('%.0f', clock - since)
