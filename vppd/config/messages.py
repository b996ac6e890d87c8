"""Every sentence a configuration can be refused with (templates of `str.format`).

Each has a file in `tests/testdata/config` that provokes it; a test counts them.
Drivers word the rules of their own records themselves.
"""

# --- the text -----------------------------------------------------------------------------
TOO_LARGE = "is larger than {limit:,} bytes; nothing of it was read"
NOT_UTF8 = "is not UTF-8: byte {byte}; save the file as UTF-8"
CONTROL = "has the character {char}, which YAML does not allow"
TAB = "has a tab where YAML wants spaces"
SYNTAX = "cannot be read as YAML: {problem}"
SYNTAX_SINCE = "cannot be read as YAML: {problem} {context} that began on line {line}"
SECOND_DOCUMENT = "a second document begins here; one file holds one configuration"
UNKNOWN_ALIAS = "no anchor above this line for {alias}"
SECOND_ANCHOR = "anchor given twice, first on line {line}"
TOO_DEEP = "is nested more than {limit} levels deep"
TOO_MANY = "has more than {limit} values, aliases and merged keys counted"
NOTHING = "has no keys; it needs at least {keys}"
TAG = "has the tag {tag}, which means nothing here"

# --- keys ---------------------------------------------------------------------------------
UNKNOWN_KEY = "unknown key"
UNKNOWN_KEY_NEAR = "unknown key; did you mean {near}?"
TWICE = "given twice, first on line {line}"
MISSING = "missing"
MISSING_CHOICE = "missing; there are {choices}"
UNKNOWN_CHOICE = "no {what} {written}; there are {choices}"
UNKNOWN_CHOICE_NEAR = "no {what} {written}; did you mean {near}? There are {choices}"
KEY_NOT_A_WORD = "a key must be a word, is {what}"
MERGE_KIND = "takes a mapping or a list of mappings, has {what}"
MERGE_DEPTH = "merges itself, or through more than {limit} others"

# --- values -------------------------------------------------------------------------------
NOT_A_LIST = "must be a list, is {what}"
NOT_A_SECTION = "must have keys of its own, is {what}"
NOT_A_FLAG = "must be true or false, is {what}"
NOT_A_TEXT = "must be a text, is {what}"
TEXT_UNQUOTED = "must be a text, is {what}; put it in quotes"
TEXT_EMPTY = "must not be empty"
TEXT_CHOICE = "must be one of {choices}; is {written}"
TEXT_CHOICE_NEAR = "must be one of {choices}; is {written}, did you mean {near}?"
TEXT_PATTERN = "must be {pattern}, is {written}"
NOT_A_NUMBER = "must be a number{in_unit}, is {what}"
NUMBER_QUOTED = "must be a number{in_unit}, is a text in quotes; write {number}"
NUMBER_AS_TEXT = "must be a number{in_unit}; {written} is a text to YAML, write {number}"
NUMBER_COMMA = "must be a number{in_unit}; write a point, not a comma: {number}"
NUMBER_WITH_UNIT = "must be a number{in_unit}, without the unit behind it; write {number}"
NUMBER_BASE = "must be a plain decimal number{in_unit}, is {written}"
NOT_WHOLE = "must be a whole number, is {written}"
NOT_FINITE = "must be finite, is {written}"
IS_NAN = "must be a number{in_unit}, is nan"
TOO_BIG = "is too large for a number: {written}"
MINIMUM = "must be at least {bound}, is {written}"
MAXIMUM = "must be at most {bound}, is {written}"
ABOVE = "must be above {bound}, is {written}"
BELOW = "must be below {bound}, is {written}"

# --- rules over more than one key of a record ---------------------------------------------
LIMITS_CROSS = "must be at least p_min_mw = {p_min_mw:g} MW, is {p_max_mw:g}"
OUTSIDE_LIMITS = (
    "must be within {p_min_mw:g} to {p_max_mw:g} MW (generation positive), is {value_mw:g}"
)
SOC_CROSS = "must be above soc_min_pu = {soc_min_pu:g}, is {soc_max_pu:g}"
BATTERY_STORE = "missing; a battery needs the size of its store"
PV_SIGN = "must be at least 0 MW for pv, is {p_min_mw:g}: generation is positive"
LOAD_SIGN = "must be at most 0 MW for {kind}, is {p_max_mw:g}: a load is negative"
STEP_TOO_LARGE = "must be at most p_max_mw - p_min_mw = {width_mw:g} MW, is {value_mw:g}"
BAND_HALF = "missing; a band has two ends, band_lower_mw and band_upper_mw"
BAND_OUTSIDE = (
    "the band {low_mw:g} to {high_mw:g} MW must rise, and lie within"
    " {p_min_mw:g} to {p_max_mw:g} MW"
)
IN_BAND = (
    "{value_mw:g} MW lies in the band {low_mw:g} to {high_mw:g} MW, where the unit cannot stand"
)
NO_BAND = (
    "says when a unit may cross its band, and this one has none; give band_lower_mw and _upper_mw"
)
STALE_BEFORE_NEXT = "must be above agc_interval_s = {agc_interval_s:g} s, is {agc_stale_after_s:g}"
EXPOSED = (
    "{host} is not this machine, and {what} without TLS tells and obeys whoever is there; give"
    " ca_file, use 127.0.0.1, or say insecure: true"
)
TLS_HALF = "missing; TLS needs it beside {given}"
API_EXPOSED = "{host} is not loopback: needs {lacks}, or insecure with the words '{words}'"
INSECURE_WORDS = "must be the words '{words}'"

# --- rules over the file ------------------------------------------------------------------
ID_TAKEN = "{written} is taken by {path} on line {line}"
NO_UNITS = "needs at least one unit"
NO_LINK = "no link has the id {written}"
NO_LINK_NEAR = "no link has the id {written}; did you mean {near}?"
LINK_TYPE = "link {written} is of type {type}; {user} needs {wanted}"
LINK_UNUSED = "no device and no signal uses this link"
ADDRESS_TAKEN = "is the same device as {path} on line {line}"
NO_AGC = "none of them brings AGC"
SECOND_AGC = "brings AGC, as {path} on line {line} does: two sources of AGC would fight"
LINK_TO_SELF = "{host}:{port} is where signal {signal} listens: the plant itself, no device"
NO_FREQUENCY = "needs a signal that brings the frequency; none of them does"
CAPACITY_UP = (
    "is {capacity_mw:g} MW, but the fleet can rise only {range_mw:g} MW above its basepoints"
)
CAPACITY_DOWN = (
    "is {capacity_mw:g} MW, but the fleet can fall only {range_mw:g} MW below its basepoints"
)
UNCOUNTED = " (units not counted, as their limits cannot be read: {count})"
WATCHDOG_TICK = (
    "must be above site.tick_s = {tick_s:g} s, is {watchdog_s:g}:"
    " it would run out before the next setpoint comes"
)
TWO_KEYS = "is one key too many: key_credential names one already"
NO_GROUP = "no group has the id {written}"
NO_GROUP_NEAR = "no group has the id {written}; did you mean {near}?"
PARENT_LATER = "must be a group that stands above this one; {written} does not"
GROUPS_POLICY = "keeps no limits of groups; use response_aware or exact"
PRODUCT_MARKET = "cannot be scored while it runs: {why}"
PRODUCT_PARAMS = "do not do for {market}: {why}"
NO_ALARM = "there is no alarm {written}; docs/alarms.md has all"
NO_ALARM_NEAR = "there is no alarm {written}; did you mean {near}?"
ALARM_TWICE = "{written} is set at {path} on line {line} already"
NOT_SHELVED = "{written} may not be shelved by anybody: 0, or leave the key out"
FLOOD_CROSS = "must be below flood_shown_max = {shown}: else nothing new would have room"
SAME_ELSEWHERE = "{message} (the line is shared: {count} more like this)"
