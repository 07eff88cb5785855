"""The choice of a profile for a call: what a policy of one's own needs, and the policies that are there."""

from arawn.routing.decision import RoutingDecision as RoutingDecision
from arawn.routing.decision import RoutingPolicy as RoutingPolicy
from arawn.routing.features import Complexity as Complexity
from arawn.routing.features import RequestFeatures as RequestFeatures
from arawn.routing.layered import LayeredPolicy as LayeredPolicy
