"""The interaction log: every call leaves one complete line of JSON."""

from arawn.interactions.build import build_record as build_record
from arawn.interactions.build import build_tool_result as build_tool_result
from arawn.interactions.filters import Filters as Filters
from arawn.interactions.filters import time_window as time_window
from arawn.interactions.follow import follow as follow
from arawn.interactions.health import LogHealth as LogHealth
from arawn.interactions.ids import RecordIds as RecordIds
from arawn.interactions.ids import uuid7 as uuid7
from arawn.interactions.reader import Damage as Damage
from arawn.interactions.reader import Entry as Entry
from arawn.interactions.reader import LogReader as LogReader
from arawn.interactions.record import FeedbackLine as FeedbackLine
from arawn.interactions.record import GapLine as GapLine
from arawn.interactions.record import InteractionRecord as InteractionRecord
from arawn.interactions.record import LogLine as LogLine
from arawn.interactions.record import MarkLine as MarkLine
from arawn.interactions.record import ToolResultLine as ToolResultLine
from arawn.interactions.redact import Redactor as Redactor
from arawn.interactions.writer import Writer as Writer
from arawn.interactions.writer import open_writer as open_writer
