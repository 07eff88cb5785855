"""A small actor runtime on trio: bounded mailboxes, supervision, and no lost caller."""

from actors._on_demand import OnDemand as OnDemand
from actors._root import open_supervisor as open_supervisor
from actors._supervisor import Supervisor as Supervisor
from actors.errors import ActorError as ActorError
from actors.errors import AskCycle as AskCycle
from actors.errors import HandlerFailed as HandlerFailed
from actors.errors import MailboxFull as MailboxFull
from actors.errors import NotStarted as NotStarted
from actors.errors import OutcomeUnknown as OutcomeUnknown
from actors.errors import Restarting as Restarting
from actors.errors import Stopped as Stopped
from actors.errors import SupervisorGaveUp as SupervisorGaveUp
from actors.events import Event as Event
from actors.events import Hook as Hook
from actors.ref import Ref as Ref
from actors.ref import Reply as Reply
from actors.spec import Backoff as Backoff
from actors.spec import ChildSpec as ChildSpec
from actors.spec import Handler as Handler
from actors.spec import Intensity as Intensity
from actors.spec import Request as Request
from actors.spec import Strategy as Strategy
from actors.spec import SupervisorSpec as SupervisorSpec
from actors.status import Status as Status
