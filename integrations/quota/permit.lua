-- One resource's quota in one round trip: take back what is reported, learn what the headers say, grant permits.
--
-- A permit is one of `n` slots. A granted slot lies out until its deadline; its report makes it free again one window
-- after the response was RECEIVED, so two calls of one slot are counted at least a window apart whatever the latency,
-- and no window of any phase holds more than n. All times are microseconds since `b`, the birth of the key, on the
-- store's own clock; callers report ages and never times.
--
-- KEYS 1 slots (zset: slot id -> free from), 2 state (hash)
-- ARGV 1 cjson request: want, epoch (that the caller knows, or ""), start and window (the limit and its interval until
--      a header tells them), slack (within which a call in flight is counted), margin (between two clocks), ttl (of a
--      permit, without the window), horizon, credit, reserve, day_share, day_floor, interactive (bool),
--      learn (bool: the vendor's window),
--      reports {{slot, deadline, age of the response | false: never sent, start | nothing}, …},
--      rate {max, remaining, interval, daily_limit, daily_remaining, daily_reset (absent where unknown), age and since
--      (of its response, of its request), start (of its permit), refused (bool: it was a 429)}.
-- Returns {epoch, now, reason, wait, foreign, grants {{slot, deadline, delay}, …}}; reason "" | "burst" | "day", wait until
-- it is worth asking, foreign: calls of others that this header told of.
local req = cjson.decode(ARGV[1])
local rate, server = req.rate, ARGV[2]
local slots, state = KEYS[1], KEYS[2]
local t = redis.call('TIME')
local clock = t[1] * 1000000 + t[2]
local DAY, IDLE = 86400000000, 1800000000

local function exact(number) return string.format('%.0f', number) end
local function place(slot, free_from) redis.call('ZADD', slots, exact(free_from), slot) end
local function hold(free_from)  -- nothing that is free or cooling goes out before `free_from`
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', slots, '-inf', '(' .. exact(free_from))) do place(slot, free_from) end
end

local FIELDS = { 'b', 'n', 'w', 'tat', 'probe', 'dl', 'dr', 'dt', 'du', 'df', 'a0', 'f', 'fa', 'fb', 'fr',
  'lo', 'hi', 'lh', 'lp', 'ln', 'lx' }
local stored, s = redis.call('HMGET', state, 'sv', unpack(FIELDS)), {}
for i, field in ipairs(FIELDS) do
  stored[field] = stored[i + 1] and tonumber(stored[i + 1])
  s[field] = stored[field] or nil
end

local birth_fence = req.window + req.slack
if not s.b then
  if req.want == 0 then return cjson.encode({ epoch = '', foreign = 0 }) end  -- about calls of a state that is gone
  -- A lost or new state. Whoever knew another epoch has calls in flight that this state does not know of: wait a whole
  -- window. Nobody knew one: send a single probe, its headers open the rest. `probe` is the score of slots never used.
  redis.call('DEL', slots)
  s.b, s.n = clock, req.start
  for slot = 0, req.start - 1 do place(slot, birth_fence) end
  if req.epoch == '' then
    place(0, 0)
    s.probe = birth_fence
  end
end
local now, epoch = clock - s.b, exact(s.b)
local n, window, tat = s.n, s.w or req.window, s.tat or 0
if redis.call('EXISTS', slots) == 0 then
  -- Expired after half an hour without a call, so all are free; or evicted with calls in flight, so all wait.
  local free_from = now - tat >= IDLE and 0 or now + window + req.slack
  for slot = 0, n - 1 do place(slot, free_from) end
  s.fb = now + window + req.slack
end
local probe = s.probe
if now < birth_fence and req.epoch ~= '' and req.epoch ~= epoch then
  -- A new process was first after the loss; this caller still has calls in flight from before it.
  hold(birth_fence)
  probe = nil
end
if server ~= '' and server ~= stored[1] then
  redis.call('HSET', state, 'sv', server)
  if stored[1] then
    -- Restarted from a copy, or a replica took over: grants after that copy are unknown here.
    hold(now + window + req.slack)
    s.fb = now + window + req.slack
    s.lo, s.hi, s.lh = nil, nil, nil
    probe = nil
  end
end
if probe and now >= probe then probe = nil end

--@day
--@window
--@foreign

if rate.interval and rate.interval >= 1000000 and rate.interval ~= window then
  if rate.interval > window and not probe then hold(now + rate.interval) end
  window, s.w = rate.interval, rate.interval
  s.fb = now + window + req.slack
end
local fence = now + window + req.slack

roll_day()
open_window()
local settled = false
for _, report in ipairs(req.reports) do
  local score = redis.call('ZSCORE', slots, report[1])
  -- A stale or repeated report names a deadline that the slot no longer has.
  if req.epoch == epoch and score and tonumber(score) == report[2] then
    place(report[1], report[3] and now - report[3] + window + req.margin or now)
    if report[3] then
      settled = true
      if report[4] then answered_at(report[4], now - report[3]) end
    elseif s.dr then
      s.dr, s.du = s.dr + 1, math.max(0, (s.du or 0) - 1)
    end
  end
end

local known = rate.max == n
if rate.max and rate.max >= 1 and rate.max <= 1000 and not known then
  for slot = n, rate.max - 1 do place(slot, probe or fence) end
  for slot = rate.max, n - 1 do redis.call('ZREM', slots, slot) end
  -- The server may have counted more than a smaller limit allows within this window.
  if rate.max < n and not probe then hold(fence) end
  if rate.max < n then s.fb = fence end
  n, s.n = rate.max, rate.max
  forget_window()
end
if probe and settled then
  -- The probe told how much is open, or nothing (refused or lost before it was counted): then one more probe.
  local unused = redis.call('ZRANGEBYSCORE', slots, exact(probe), exact(probe), 'LIMIT', 0, rate.remaining or 1)
  for _, slot in ipairs(unused) do place(slot, now) end
  if rate.remaining then probe = nil end
end
s.probe = probe
learn_day(rate)
local others = 0
if known and req.epoch == epoch then
  learn_window(rate)
  others = learn_foreign(rate)
end
if rate.refused then refused(rate) end

if req.interactive and req.want > 0 then s.a0 = now end
local skip = math.ceil(withheld())
if req.reserve > 0 and s.a0 and now - s.a0 < 60000000 then skip = skip + req.reserve end
skip = math.min(skip, n - 1)

local grants, reason, wait = {}, '', 0
-- Where windows are fixed, what is spent early is surely counted before the next one opens.
local pace = math.ceil((s.lo and 0.85 or 0.985) * window / n)
if req.want > 0 then
  local free = redis.call('ZRANGE', slots, skip, skip + req.want - 1, 'WITHSCORES')
  for i = 1, req.want do
    wait = day_wait()
    if wait > 0 then
      reason = 'day'
      break
    end
    local slot, score = free[2 * i - 1], tonumber(free[2 * i])
    if not slot then
      reason, wait = 'burst', window
      break
    end
    local start = math.max(score, now, tat - req.credit * pace)
    local opening = start > now and opens_at()
    if opening and opening < start then
      reason, wait = 'burst', opening - now
      break
    end
    if start > now + req.horizon then
      -- The last slots' calls are still under way: the earliest report that may come sets one free a window later.
      reason, wait = 'burst', math.min(start - now, window + req.slack)
      break
    end
    tat = math.max(tat, start) + pace
    local deadline = start + window + req.ttl
    place(slot, deadline)
    if s.dr then s.dr = s.dr - 1 end
    s.du = (s.du or 0) + 1
    grants[#grants + 1] = { tonumber(slot), exact(deadline), start - now }
  end
  if reason == 'burst' and probe then wait = math.min(wait, 100000) end
  s.tat = tat
end
if s.dr then s.dr = math.max(s.dr, 0) end

local changes, gone = {}, {}
for _, field in ipairs(FIELDS) do
  if s[field] and s[field] ~= stored[field] then
    changes[#changes + 1] = field
    changes[#changes + 1] = exact(s[field])
  elseif stored[field] and not s[field] then
    gone[#gone + 1] = field
  end
end
if #changes > 0 then redis.call('HSET', state, unpack(changes)) end
if #gone > 0 then redis.call('HDEL', state, unpack(gone)) end
redis.call('PEXPIRE', slots, IDLE / 1000)
redis.call('PEXPIRE', state, 93600000)
return cjson.encode({
  epoch = epoch, now = exact(now), reason = reason, wait = wait, foreign = others, grants = grants,
})
