"""What keys look like, and a quick test for texts that hold none. Pure.

Two ways to be quick were measured against this one, on eight megabytes of code, prose, hashes and base64: an `in` for
each beginning of a key (0.5 ns a byte each: fifty of them are slow), and one search for `[-_]` and the like (a class of
characters is looked for five to ten times slower than a single one). So the quick test is a few patterns that each
begin with one plain character, on which the search runs at the speed of memory, and look around only there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import compress, repeat
from operator import call

import msgspec

__all__ = ["RULES", "Rule", "may_hold_a_key", "replace_keys"]

_TOKEN = "[A-Za-z0-9_-]"  # noqa: S105 - a character class, no password
# How far it is looked ahead has a bound: where the beginning of a key stands over and over, each one looks.
_LONG = rf"(?={_TOKEN}{{0,200}}?[A-Za-z0-9]{{16}}){_TOKEN}{{40,}}"  # no words between hyphens
_MIXED = r"(?=[A-Za-z+/_.~=-]{0,200}+[0-9])(?=[^A-Za-z]{0,200}+[A-Za-z])"  # digits and letters: no plain word
_IS = r"""(?:\\?["'])?\s{0,3}(?:=>|[:=]|%3[AaDd])\s{0,3}(?:\\?["'])?"""  # `=` and the like, quotes around it
_NO_LETTER = r"""\s"'`<>&;,\\(){}\[\]$|"""  # of a password: with quotes or brackets it is more likely code
_LETTER = f"[^{_NO_LETTER}]"
_PASSWORD = (  # a letter and a digit among 8 and more; neither a path nor a function that is called
    rf"(?![/.~%])(?=[^{_NO_LETTER}0-9]{{0,99}}+[0-9])(?=[^{_NO_LETTER}A-Za-z]{{0,99}}+[A-Za-z])"
    rf"{_LETTER}{{8,100}}+(?!{_LETTER}|[(\[{{])"
)
_ASSIGNED = (
    r"(?:KEY|TOKEN|SECRET|PASSWORD|access_key|(?:(?<=api_)key|(?<=access_)(?:key|token)|(?<=auth_)token|(?<=client_)secret|(?<=secret_)key))"
    rf"{_IS}"
)
_VALUE = rf"{_MIXED}[A-Za-z0-9+/_.~-]{{20,}}+={{0,2}}(?![A-Za-z0-9+/_.~=(\[{{-])"  # of what is named a key or a token
_ARGUMENTS = r"(?:[^\nc]|c(?!url )){0,300}"  # the next `curl ` has its own, so none is looked through twice
_PASSWORD_IS = rf"(?:{_IS}|>)"


class Rule(msgspec.Struct, frozen=True):
    """One shape. `literal` stands in every match; a group `lead` in the pattern stays, the rest of the match goes.

    Where the pattern has a group `whole`, a match without it stays as it is.
    """

    name: str
    literal: str
    pattern: re.Pattern[str]
    in_a_word: bool = False


def _rule(name: str, literal: str, shape: str, *, in_a_word: bool = False) -> Rule:
    return Rule(name, literal, re.compile(shape), in_a_word)


# In this order: what comes first may begin like what comes later. Patterns begin with plain characters wherever they
# can, since the search for those is quick.
RULES: tuple[Rule, ...] = (
    # These three are long and like nothing else, so they are found in the middle of a word, too.
    _rule("anthropic", "sk-ant-", rf"sk-ant-[a-z]{{3}}\d\d-{_LONG}", in_a_word=True),
    _rule("openai", "sk-", rf"sk-(?:proj|svcacct|admin)-{_LONG}", in_a_word=True),
    _rule("openrouter", "sk-or-", r"sk-or-v1-[0-9a-f]{40,}", in_a_word=True),
    _rule("anthropic", "sk-ant-", rf"sk-ant-{_TOKEN}{{16,}}"),
    _rule("openrouter", "sk-or-", rf"sk-or-{_TOKEN}{{16,}}"),
    _rule("cerebras", "csk-", r"csk-[A-Za-z0-9]{30,}"),
    _rule("openai", "sk-", rf"sk-{_TOKEN}{{20,}}"),
    _rule("groq", "gsk_", r"gsk_[A-Za-z0-9]{20,}"),
    _rule("xai", "xai-", r"xai-[A-Za-z0-9]{20,}"),
    _rule("perplexity", "pplx-", r"pplx-[A-Za-z0-9]{20,}"),
    _rule("replicate", "r8_", r"r8_[A-Za-z0-9]{30,}"),
    _rule("huggingface", "hf_", r"hf_[A-Za-z0-9]{20,}"),
    _rule("fireworks", "fw_", r"fw_[A-Za-z0-9]{20,}"),
    _rule("nvidia", "nvapi-", rf"nvapi-{_TOKEN}{{20,}}"),
    _rule(
        "voyage",
        "pa-",
        rf"pa-(?={_TOKEN}{{43}}(?!{_TOKEN}))(?={_TOKEN}*?[A-Za-z0-9]{{12}})(?={_TOKEN}*?[0-9]){_TOKEN}{{43}}",
    ),
    _rule("e2b", "e2b_", r"e2b_[a-f0-9]{32,}"),
    _rule("tavily", "tvly-", r"tvly-[A-Za-z0-9-]{16,}"),
    _rule("langsmith", "lsv2_", r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{32,}"),
    _rule("github", "gh", r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _rule("github_pat", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,}"),
    _rule("gitlab", "gl", rf"gl(?:pat|dt|rt|ptt|cbt|soat)-{_TOKEN}{{16,}}"),
    _rule("npm", "npm_", r"npm_[A-Za-z0-9]{20,}"),
    _rule("pypi", "pypi-AgE", rf"pypi-AgE{_TOKEN}{{20,}}"),
    _rule("rubygems", "rubygems_", r"rubygems_[a-f0-9]{40,}"),
    _rule("slack", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _rule("slack_app", "xapp-", r"xapp-[A-Za-z0-9-]{10,}"),
    _rule(
        "slack_webhook", "hooks.slack.com/", r"(?P<lead>hooks\.slack\.com/)(?:services|workflows)/[A-Za-z0-9/_+]{20,}"
    ),
    _rule("discord_webhook", "/api/webhooks/", rf"(?P<lead>/api/webhooks/)\d{{15,21}}/{_TOKEN}{{40,}}"),
    _rule("discord_bot", "Bot ", rf"(?P<lead>Bot )[A-Za-z0-9]{_TOKEN}{{17,30}}\.{_TOKEN}{{5,8}}\.{_TOKEN}{{25,}}"),
    _rule("discord_bot", ".", rf"[MNO][A-Za-z0-9]{{23,25}}\.{_TOKEN}{{6}}\.{_TOKEN}{{27,38}}(?!{_TOKEN})"),
    _rule("telegram", ":AA", rf"\d{{8,10}}:AA{_TOKEN}{{32,34}}(?![A-Za-z0-9])"),
    _rule("stripe", "k_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _rule("stripe_webhook", "whsec_", r"whsec_[A-Za-z0-9+/]{24,}"),
    _rule("twilio", "SK", r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _rule("mailgun", "key-", r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    _rule("sendgrid", "SG.", rf"SG\.{_TOKEN}{{16,}}\.{_TOKEN}{{16,}}"),
    _rule("digitalocean", "_v1_", r"do[opr]_v1_[a-f0-9]{32,}"),
    _rule("pulumi", "pul-", r"pul-[a-f0-9]{40}(?![A-Za-z0-9])"),
    _rule("fly", "fm", r"fm(?:1[ar]|2)_[A-Za-z0-9+/]{40,}={0,3}"),
    _rule("docker", "dckr_pat_", rf"dckr_pat_{_TOKEN}{{16,}}"),
    _rule("doppler", "dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{30,}"),
    _rule("linear", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{20,}"),
    _rule("shopify", "shp", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _rule("figma", "figd_", rf"figd_{_TOKEN}{{20,}}"),
    _rule("notion", "ntn_", r"ntn_[A-Za-z0-9]{30,}"),
    _rule("notion", "secret_", r"secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])"),
    _rule("atlassian", "ATATT3", r"ATATT3[A-Za-z0-9_=-]{50,}"),
    _rule("postman", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _rule("newrelic", "NRAK-", r"NRAK-[A-Z0-9]{27}"),
    _rule("grafana", "gls", r"gls[ac]_[A-Za-z0-9_=+/]{32,}"),
    _rule("sentry", "sntry", r"sntry[su]_[A-Za-z0-9_=+/]{40,}"),
    _rule("supabase", "sbp_", r"sbp_[a-f0-9]{40}"),
    _rule("planetscale", "pscale_", rf"pscale_(?:tkn|pw|oauth)_{_TOKEN}{{30,}}"),
    _rule("tailscale", "tskey-", r"tskey-[a-z]{2,8}-[A-Za-z0-9-]{16,}"),
    _rule("aws", "AKIA", r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _rule("aws", "ASIA", r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _rule("google", "AIza", rf"AIza{_TOKEN}{{35}}"),
    _rule("google_oauth", "ya29.", rf"ya29\.{_TOKEN}{{20,}}"),
    _rule("google_client", "GOCSPX-", rf"GOCSPX-{_TOKEN}{{24,}}"),
    _rule("vault", "hv", rf"hv[sbr]\.{_TOKEN}{{20,}}"),
    _rule("databricks", "dapi", r"dapi[a-f0-9]{32}"),
    _rule("age", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    _rule("azure_key", "Key=", r"(?P<lead>(?:Account|SharedAccess)Key=)[A-Za-z0-9+/]{40,}={0,2}"),
    _rule("azure_sas", "&sig=", r"(?P<lead>&sig=)[A-Za-z0-9%+/]{40,}={0,2}"),
    # Half a match is a match too, so that no run is eaten from each place in it where one could begin.
    _rule("jwt", "eyJ", rf"eyJ{_TOKEN}{{8,}}+(?P<whole>\.eyJ{_TOKEN}{{8,}}+\.{_TOKEN}{{8,}})?"),
    _rule("bearer", "earer ", r"(?P<lead>earer )[A-Za-z0-9._~+/-]{16,}=*"),
    _rule(
        "private_key",
        "-----BEGIN ",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY-----|[\s\S]*)",
        in_a_word=True,
    ),
    _rule(
        "basic",
        "asic ",
        r"(?P<lead>uthorization(?:\\?[\"'])?\s{0,2}[:=]\s{0,2}(?:\\?[\"'])?[Bb]asic )[A-Za-z0-9+/]{8,}={0,2}",
        in_a_word=True,
    ),
    _rule("assigned", "_", rf"(?P<lead>_{_ASSIGNED}){_MIXED}[A-Za-z0-9+/_.~-]{{20,}}={{0,2}}", in_a_word=True),
    *(
        _rule("assigned", literal, rf"(?P<lead>{literal}{before}{_IS}){_VALUE}", in_a_word=True)
        for literal, before in (("-key", r"(?<=[aA][pP][iI]-key)"), ("-Key", r"(?<=[aA][pP][iI]-Key)"))
    ),
    _rule("assigned", "oken", rf"(?P<lead>oken(?<=[tT]oken)(?<![A-Za-z0-9_][tT]oken){_IS}){_VALUE}", in_a_word=True),
    _rule(
        "basic",
        "curl ",
        rf"""(?P<lead>curl (?:{_ARGUMENTS}?\s)??(?:-u|--user)[ =]?["']?[^\s:"'/]{{1,100}}:){_PASSWORD}""",
        in_a_word=True,
    ),
    *(
        _rule("password", literal, rf"(?P<lead>{shape}{_PASSWORD_IS}){_PASSWORD}", in_a_word=True)
        for literal, shape in (("assw", "assw(?<=[pP]assw)(?:or)?d"), ("PASSWORD", "PASSWORD"), ("pwd", "pwd"))
    ),
    _rule(
        "url_password",
        "://",
        r"""(?P<lead>://)[^\s/?#:@"'<>\\]{0,200}:[^\s/?#@"'<>\\]{1,500}(?=@)""",
        in_a_word=True,
    ),
)

# Each with the character that it begins with: a text without that is passed over twenty times quicker by `in`.
_QUICK = tuple(
    (pattern[0].strip("\\") or pattern[1], re.compile(pattern).search)
    for pattern in (
        (
            r"_(?:(?=[A-Za-z0-9+/_-]{10})"
            r"(?<=(?:[srv][kb2]|r8|[hf][fw]|h[pousr]|[aec]t|[tcp]a|2b|m2|1[ar]|ss|pm|ms|ec|o[opr]|in|gd|tn|s[ac]|y[su]|bp|le)_)"
            r"(?:(?<=[sr]k_)|(?<=r8_)|(?<=[hf][fw]_)|(?<=v2_)|(?<=e2b_)|(?<=fm2_)|(?<=fm1[ar]_)|(?<=gh[pousr]_)|(?<=_pat_)|(?<=npm_)|(?<=gems_)|(?<=whsec_)"
            r"|(?<=do[opr]_)|(?<=lin_)|(?<=shp[acps][ats]_)|(?<=figd_)|(?<=ntn_)|(?<=secret_)|(?<=gls[ac]_)"
            r"|(?<=sntry[su]_)|(?<=sbp_)|(?<=pscale_))"
            r"|(?=[KTSktsa][EOeoc][YKCykc])(?:(?=KEY|TOKEN|SECRET|access_key)"
            r"|(?=key|token|secret)(?<=(?:ess|api|uth|ent|ret)_)))"
        ),
        (
            r"-(?:(?<=[kixytlaKX]-)(?:(?<=sk-)|(?<=xai-)|(?<=pplx-)|(?<=nvapi-)|(?<=tvly-)|(?<=pul-)|(?<=pa-)|(?<=gl[dr]t-)|(?<=gl[ps]at-)"
            r"|(?<=glptt-)|(?<=glcbt-)|(?<=glsoat-)|(?<=pypi-)|(?<=[ts]key-)|(?<=key-)"
            r"|(?<=PMAK-)|(?<=NRAK-)|(?<=GOCSPX-))|(?<=-----)(?=BEGIN ))(?=[A-Za-z0-9_ -]{10})"
        ),
        (
            r"\.(?:(?=eyJ)|(?<=[9Gsrbp]\.)(?:(?<=ya29\.)|(?<=SG\.)|(?<=hv[sbr]\.)|(?<=dp\.))"
            rf"|(?={_TOKEN}{{6}}\.{_TOKEN}{{27}})(?:(?<=[MNO].{{23}}\.)|(?<=[MNO].{{24}}\.)|(?<=[MNO].{{25}}\.)))"
        ),
        r":(?=//(?:[^\s/?#@]{1,300}@|hooks\.slack\.|(?:\w{1,9}\.)?discord)|AA[A-Za-z0-9_-]{32})",
        r"x(?=ox[abeoprs]-|app-)",
        r"&(?=sig=)",
        r"A(?=KIA|SIA|Iza|GE-SECRET-KEY-|TATT3)",
        r"K(?:(?<=SK)(?=[0-9a-f]{32})|(?=ey=)|(?=ey)(?<=[pP][iI]-K))",
        r"B(?=ot [A-Za-z0-9_-]{18})",
        rf"p(?=[awi])(?:(?=assw|wd)(?=(?:assw(?:or)?d|wd){_PASSWORD_IS}{_PASSWORD})|(?<=dap)(?=i[a-f0-9]{{32}}))",
        rf"k(?=e[ny])(?:(?<=[tT]ok)(?=en{_IS}{_MIXED}[A-Za-z0-9+/_.~-]{{20}})|(?<=[pP][iI]-k)(?=ey{_IS}))",
        rf"P(?=assw|ASSW)(?=(?:assw(?:or)?d|ASSWORD){_PASSWORD_IS}{_PASSWORD})",
    )
)
_FIRSTS, _SEARCHES = zip(*_QUICK, strict=True)
_LITERALS = ("earer ", "uthorization", "curl ")
_ESCAPED = re.compile(r"\\[nrtbf]$|%[0-9A-Fa-f]{2}$")


def may_hold_a_key(text: str) -> bool:
    """Say whether `text` is worth a look: never False for a text in which a rule finds something."""
    likely = compress(_SEARCHES, map(text.__contains__, _FIRSTS))
    return any(map(call, likely, repeat(text))) or any(map(text.__contains__, _LITERALS))


def replace_keys(text: str, mask: Callable[[str, str], str]) -> str:
    """Return `text` with `mask(rule, key)` in the place of every key; the same object when there is none."""
    if not may_hold_a_key(text):
        return text
    for rule in RULES:
        if rule.literal in text:
            after = rule.pattern.sub(partial(_replacement, rule, mask), text)
            text = text if after == text else after
    return text


def _replacement(rule: Rule, mask: Callable[[str, str], str], match: re.Match[str]) -> str:
    groups = match.groupdict()
    lead = groups.get("lead") or ""
    if groups.get("whole", "") is None or not (lead or rule.in_a_word or _begins_a_word(match.string, match.start())):
        return match.group()
    return lead + mask(rule.name, match.group()[len(lead) :])


def _begins_a_word(text: str, place: int) -> bool:
    """Say whether a key can begin at `place`: an escaped line end is no part of a word, nor is `%3D`."""
    before = text[max(0, place - 3) : place]
    return not (before[-1:].isascii() and before[-1:].isalnum()) or _ESCAPED.search(before) is not None
