-- Where the vendor's window begins, for a vendor that keeps fixed ones (a part of permit.lua).
--
-- A slot's rest of one window after the response wastes the response's way back. A fixed window, be it the clock's or
-- opened by a first call, is forgotten as a whole: whoever knows that one opened between `lo` and `hi` may use every
-- slot again at `hi` + window whose call was received by `lo` + window, because that call was counted in a window that
-- is over by then, and the slot's next call is counted in a later one. So no window holds two calls of one slot.
--
-- `lo` and `hi` follow by themselves: the window after opens not before `lo` + window and is open when a call sent after
-- `hi` + window has been answered. They are learned, and corrected, from a pair of calls, one surely counted after the
-- other, whose headers say that many calls were forgotten between them. Such a pair counts when it was foretold, or when
-- the answer to a call that was sent after both agrees: since a header, the count can only have grown by calls of ours.
-- That it is a fixed window and no sliding one is believed after three such pairs at which calls were forgotten that are
-- younger than a window (`lp`). A header that another disproves ends it for an hour (`lx`), as calls of others or a
-- refusal do; so whoever tells nonsense now and then is not believed at all.

local PROOFS, QUICK, RING = 3, 2000000, 16

local function forget_window()
  s.lo, s.hi, s.lh = nil, nil, nil
end

local function disbelieve()
  if (s.lp or 0) >= PROOFS then hold(now + window + req.slack) end
  forget_window()
  s.lp, s.lx = 0, now + 3600000000
end

local function believes()
  return req.learn and (s.lp or 0) >= PROOFS
end

local function free_received_by(moment)
  local last = exact(moment + window + req.margin)
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', slots, '(' .. exact(now), last)) do place(slot, now) end
end

-- When all slots are free that can be told of now.
local function opens_at()
  return believes() and s.hi and s.hi + window + req.margin
end

local function open_window()
  local opening = opens_at()
  if not opening or now < opening then return end
  free_received_by(s.lo + window)
  s.lo, s.lh, s.hi = s.lo + window, opening, nil
  tat = math.min(tat, now)
end

-- Paces that calls may run ahead until the first answer tells that the window is open: the quickest of many tells best
-- since when, and every millisecond of doubt is one of silence before the next window. The rest is for whoever comes
-- later in the window.
local function burst()
  return believes() and s.lh and not s.hi and math.min(60, math.floor(0.6 * n)) or 0
end

-- A call sent after the former window's end was answered: the next one is open.
local function answered_at(start, received)
  if believes() and s.lh and start >= s.lh and received < (s.hi or received + 1) then s.hi = received end
end

-- A window opened between `earlier` and `received`.
local function opened_between(earlier, received)
  if s.lo and earlier <= s.lo then return end
  -- The same one as is known, if there was no time for another: they are a window apart.
  if s.hi and earlier < s.hi and received < s.lo + window then received = math.min(received, s.hi) end
  s.lo, s.hi, s.lh = earlier, received, nil
  free_received_by(earlier)
end

-- Calls of ours that may have been counted since `moment`: those under way, or answered since.
local function counted_since(moment)
  return redis.call('ZCOUNT', slots, '(' .. exact(moment + window), '+inf')
end

-- Of the ring's headers, those from before `start`: the last of them, and those not yet confirmed which said that calls
-- were forgotten. Nothing when `used` disproves one of them.
local function agreeing(ring, start, used)
  local before, pending = nil, {}
  for _, one in ipairs(ring) do
    if one[2] <= start then
      if not before or one[1] > before[1] then before = one end
      if one[4] then pending[#pending + 1] = one end
    end
  end
  for _, one in ipairs({ before, unpack(pending) }) do
    if one[1] >= (s.lo or 0) and used > one[3] + counted_since(one[1]) then return nil end
  end
  return pending, before
end

-- Whether the window that is believed in ends between these: what is foretold needs nobody to agree.
local function expected(earlier, received)
  return believes() and s.hi and received > s.lo + window and earlier <= s.hi + window
end

local function learn_window(rate)
  if not (req.learn and rate.remaining and rate.start and rate.age) or rate.refused or now < (s.lx or 0) then return end
  local used, start, received = n - rate.remaining, rate.start, now - rate.age
  local ring = redis.call('HGET', state, 'ring')
  ring = ring and cmsgpack.unpack(ring) or {}
  local confirmed, before = agreeing(ring, start, used)
  if not confirmed then
    redis.call('HDEL', state, 'ring')
    return disbelieve()
  end
  for _, one in ipairs(confirmed) do
    if one[5] and now >= (s.ln or 0) then s.lp, s.ln = (s.lp or 0) + 1, now + window / 2 end
    if believes() then opened_between(one[4], one[2]) end
    one[4], one[5] = false, false
  end
  local since, proves = false, false
  if before and before[3] - used >= n / 3 and received - before[1] < window / 3 then
    -- Young calls, unless each took longer than `QUICK`.
    local young = redis.call('ZCOUNT', slots, exact(received + QUICK), exact(start + window))
    since, proves = before[1], young - used >= n / 3
    if expected(since, received) then opened_between(since, received) end
  end
  ring[#ring + 1] = { start, received, used, since, proves }
  if #ring > RING then table.remove(ring, 1) end
  redis.call('HSET', state, 'ring', cmsgpack.pack(ring))
end
