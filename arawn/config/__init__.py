"""The configuration: its schema, where it is found, how it is checked, and what is used without one."""

from arawn.config.load import Loaded as Loaded
from arawn.config.load import load as load
from arawn.config.profiles import default_profile as default_profile
from arawn.config.rules import is_loopback as is_loopback
from arawn.config.rules import listen_address as listen_address
