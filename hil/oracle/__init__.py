"""The clairvoyant bound: how closely any controller at all could have followed a signal.

The problem
-----------
Seconds k = 0, 1, … of a run. `request_mw[k]` is basepoint + signal x regulation, the signal held
from the instant of its sending, averaged over the second, as in `trace.csv`. `delivered_mw[k]` is
the power of all units, averaged over the same second. Sought is the largest

    accuracy = 100 (1 - mean_k |request - delivered| / regulation),  %

over the seconds after the first 60 (15 in a run of less than 120 s). Each unit is, in continuous
time and with its true constants (`hil.plant.actuator`):

    r(t) within [p_min, p_max], |dr/dt| <= ramp     reference: what its setpoints make of it
    r(t) = basepoint until its dead time after the first AGC value
    lag dp/dt = r - p                               power, at rest at the basepoint before
    dE/dt = -(p + loss)                             within the limits of the contract

A controller that knows the future sends each setpoint early by the latency of its link and the
dead time of its unit, and knows the signal before it comes: neither costs it anything but at the
start. It reaches any such r(t).

Left out is what only takes freedom away: comfort, departures of cars, temperature, machines'
minimum times, batches. So the upper bound holds with all of them, and what is reachable is so
without them. What may move a unit faster than its ramp is in the upper bound: steps of chargers,
clouds, and the frequency for units that have a droop. Faults are left out on both sides (lost
writes, outages, trips). The request is that of AGC alone unless the one of a run is given.

The two sides
-------------
Units of like dynamics are put into clusters, and two linear programs are solved (HiGHS, interior
point) in which a cluster is one unit.

- Relaxed: the sum of the members' ranges, ramps and stores, the shortest lag and dead time among
  them, no losses. The mean over a second is linear in p and commutes with the dynamics:
  with P_k the mean of second k and w_k the mean of r under the kernel of P,
  P_k = e^(-1/lag) P_{k-1} + (1 - e^(-1/lag)) w_k with w_k in the range and |w_k - w_{k-1}| <= ramp
  is necessary. A unit of a longer lag T is one of the lag t < T with the reference
  (1 - t/T) p + t/T r, which keeps range and ramp. So every schedule of the fleet is one of the
  program. Its dual prices prove the bound whatever the solver's tolerance (`highs.Answer`).
- Restricted: all members do the same, in proportion to their ramps, as the weakest and slowest of
  them could, with losses never less than a battery's; r is a straight line between full seconds.
  So every schedule of the program is one of the fleet. It is worked out again from its references,
  cut to what is feasible.

`accuracy_pct` is from the first, `reachable_pct` from the second. The truth is between them.
Clusters are split until the gap is small enough.
"""

from hil.oracle.bound import Bound, bound, read, to_dict, write
from hil.oracle.request import OracleError

__all__ = ["Bound", "OracleError", "bound", "read", "to_dict", "write"]
