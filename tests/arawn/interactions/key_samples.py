"""Keys of every shape, made up at random: none of them was ever valid."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable

LOWER = string.ascii_lowercase + string.digits
ALNUM = string.ascii_letters + string.digits
TOKEN = ALNUM + "-_"
HEX = "0123456789abcdef"
CAPS = string.ascii_uppercase + string.digits
BASE32 = string.ascii_uppercase + "234567"
BASE64 = ALNUM + "+/"

Dice = random.Random


def _run(dice: Dice, letters: str, length: int) -> str:
    return "".join(dice.choices(letters, k=length))


def _words(template: str) -> Callable[[Dice], str]:
    """Return a maker for a template in which `{ALNUM:36}` stands for a run."""
    alphabets = {name: globals()[name] for name in ("LOWER", "ALNUM", "TOKEN", "HEX", "CAPS", "BASE32", "BASE64")}
    digits = string.digits

    def make(dice: Dice) -> str:
        parts = template.split("{")
        made = parts[0]
        for part in parts[1:]:
            run, _, rest = part.partition("}")
            name, _, length = run.partition(":")
            made += _run(dice, alphabets.get(name, digits), int(length)) + rest
        return made

    return make


def _jwt(dice: Dice) -> str:
    head, body = '{"alg":"HS256","typ":"JWT"}', f'{{"sub":"{_run(dice, ALNUM, 12)}"}}'
    pieces = [base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in (head, body)]
    return ".".join([*pieces, _run(dice, TOKEN, 43)])


def _basic(dice: Dice) -> str:
    return base64.b64encode(f"anna:{_run(dice, ALNUM, 14)}".encode()).decode()


def _private_key(dice: Dice) -> str:
    kind = dice.choice(["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "])
    body = "\n".join(_run(dice, BASE64, 64) for _ in range(dice.randrange(3, 20)))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


# rule, how a key is made, and the text around it where the rule needs some
SHAPES: list[tuple[str, Callable[[Dice], str], str]] = [
    ("anthropic", _words("sk-ant-api03-{TOKEN:93}AA"), "{}"),
    ("anthropic", _words("sk-ant-oat01-{TOKEN:86}"), "{}"),
    ("openrouter", _words("sk-or-v1-{HEX:64}"), "{}"),
    ("cerebras", _words("csk-{LOWER:48}"), "{}"),
    ("openai", _words("sk-{ALNUM:20}T3BlbkFJ{ALNUM:20}"), "{}"),
    ("openai", _words("sk-proj-{TOKEN:74}T3BlbkFJ{TOKEN:74}"), "{}"),
    ("openai", _words("sk-svcacct-{TOKEN:74}T3BlbkFJ{TOKEN:74}"), "{}"),
    ("openai", _words("sk-{HEX:32}"), "{}"),
    ("groq", _words("gsk_{ALNUM:52}"), "{}"),
    ("xai", _words("xai-{ALNUM:80}"), "{}"),
    ("perplexity", _words("pplx-{ALNUM:48}"), "{}"),
    ("replicate", _words("r8_{ALNUM:37}"), "{}"),
    ("huggingface", _words("hf_{ALNUM:34}"), "{}"),
    ("fireworks", _words("fw_{ALNUM:24}"), "{}"),
    ("nvidia", _words("nvapi-{TOKEN:64}"), "{}"),
    ("voyage", _words("pa-{TOKEN:43}"), "{}"),
    ("e2b", _words("e2b_{HEX:40}"), "{}"),
    ("tavily", _words("tvly-{ALNUM:32}"), "{}"),
    ("langsmith", _words("lsv2_pt_{HEX:32}_{HEX:10}"), "{}"),
    ("github", _words("ghp_{ALNUM:36}"), "{}"),
    ("github", _words("gho_{ALNUM:36}"), "{}"),
    ("github", _words("ghs_{ALNUM:36}"), "{}"),
    ("github", _words("ghu_{ALNUM:36}"), "{}"),
    ("github", _words("ghr_{ALNUM:36}"), "{}"),
    ("github_pat", _words("github_pat_{ALNUM:22}_{ALNUM:59}"), "{}"),
    ("gitlab", _words("glpat-{TOKEN:20}"), "{}"),
    ("gitlab", _words("glptt-{HEX:40}"), "{}"),
    ("npm", _words("npm_{ALNUM:36}"), "{}"),
    ("pypi", _words("pypi-AgEIcHlwaS5vcmc{TOKEN:120}"), "{}"),
    ("rubygems", _words("rubygems_{HEX:48}"), "{}"),
    ("slack", _words("xoxb-{:12}-{:12}-{ALNUM:24}"), "{}"),
    ("slack", _words("xoxp-{:12}-{:12}-{:12}-{HEX:32}"), "{}"),
    ("slack_app", _words("xapp-1-A{CAPS:10}-{:13}-{HEX:64}"), "{}"),
    ("slack_webhook", _words("services/T{CAPS:8}/B{CAPS:10}/{ALNUM:24}"), "https://hooks.slack.com/{}"),
    ("discord_webhook", _words("{:18}/{TOKEN:68}"), "https://discord.com/api/webhooks/{}"),
    ("discord_bot", _words("M{ALNUM:23}.{TOKEN:6}.{TOKEN:38}"), "Bot {}"),
    ("discord_bot", _words("M{ALNUM:23}.{TOKEN:6}.{TOKEN:38}"), "DISCORD: {}"),
    ("discord_bot", _words("O{ALNUM:25}.{TOKEN:6}.{TOKEN:27}"), "{}"),
    ("telegram", _words("{:10}:AA{TOKEN:33}"), "https://api.telegram.org/bot/{}"),
    ("stripe", _words("sk_live_{ALNUM:24}"), "{}"),
    ("stripe", _words("rk_test_{ALNUM:99}"), "{}"),
    ("stripe_webhook", _words("whsec_{ALNUM:32}"), "{}"),
    ("twilio", _words("SK{HEX:32}"), "{}"),
    ("mailgun", _words("key-{HEX:32}"), "{}"),
    ("sendgrid", _words("SG.{TOKEN:22}.{TOKEN:43}"), "{}"),
    ("digitalocean", _words("dop_v1_{HEX:64}"), "{}"),
    ("pulumi", _words("pul-{HEX:40}"), "{}"),
    ("fly", _words("fm2_{BASE64:160}"), "FlyV1 {}"),
    ("fly", _words("fm1r_{BASE64:160}="), "FlyV1 {},x"),
    ("docker", _words("dckr_pat_{TOKEN:27}"), "{}"),
    ("doppler", _words("dp.pt.{ALNUM:43}"), "{}"),
    ("linear", _words("lin_api_{ALNUM:40}"), "{}"),
    ("shopify", _words("shpat_{HEX:32}"), "{}"),
    ("figma", _words("figd_{TOKEN:40}"), "{}"),
    ("notion", _words("ntn_{ALNUM:46}"), "{}"),
    ("notion", _words("secret_{ALNUM:43}"), "{}"),
    ("atlassian", _words("ATATT3xFfGF0{TOKEN:170}={CAPS:8}"), "{}"),
    ("postman", _words("PMAK-{HEX:24}-{HEX:34}"), "{}"),
    ("newrelic", _words("NRAK-{CAPS:27}"), "{}"),
    ("grafana", _words("glsa_{ALNUM:32}_{HEX:8}"), "{}"),
    ("sentry", _words("sntrys_{BASE64:120}"), "{}"),
    ("supabase", _words("sbp_{HEX:40}"), "{}"),
    ("planetscale", _words("pscale_tkn_{TOKEN:43}"), "{}"),
    ("tailscale", _words("tskey-auth-{ALNUM:12}CNTRL-{ALNUM:32}"), "{}"),
    ("aws", _words("AKIA{BASE32:16}"), "{}"),
    ("aws", _words("ASIA{BASE32:16}"), "{}"),
    ("assigned", _words("{BASE64:40}"), "aws_secret_access_key = {}"),
    ("assigned", _words("{ALNUM:32}"), "MISTRAL_API_KEY={}"),
    ("assigned", _words("{ALNUM:40}"), 'export COHERE_API_KEY="{}"'),
    ("assigned", _words("{HEX:32}"), "'azure_openai_api_key': '{}'"),
    ("assigned", _words("{HEX:32}"), '{{"TWILIO_AUTH_TOKEN": "{}"}}'),
    ("assigned", _words("{ALNUM:32}"), "https://x.example/?access_token={}&b=1"),
    ("assigned", _words("{HEX:40}"), "secret_key: {}"),
    ("assigned", _words("{ALNUM:32}"), "token: {}"),
    ("assigned", _words("{ALNUM:32}"), '{{"Token": "{}"}}'),
    ("assigned", _words("{ALNUM:32}"), "x-api-key: {}"),
    ("assigned", _words("{ALNUM:32}"), "X-Api-Key: {}"),
    ("basic", _words("x1{ALNUM:12}"), "curl -s -u bob:{} https://x.example"),
    ("basic", _words("x1{ALNUM:12}"), "curl --user 'bob:{}' https://x.example"),
    ("password", _words("x1{ALNUM:12}"), "<password>{}</password>"),
    ("google", _words("AIza{TOKEN:35}"), "{}"),
    ("google_oauth", _words("ya29.{TOKEN:120}"), "{}"),
    ("google_client", _words("GOCSPX-{TOKEN:28}"), "{}"),
    ("vault", _words("hvs.{TOKEN:90}"), "{}"),
    ("databricks", _words("dapi{HEX:32}"), "{}"),
    ("age", _words("AGE-SECRET-KEY-1{CAPS:58}"), "{}"),
    ("azure_key", _words("{BASE64:86}=="), "DefaultEndpointsProtocol=https;AccountKey={};"),
    ("azure_key", _words("{BASE64:43}="), "Endpoint=sb://x/;SharedAccessKey={}"),
    ("azure_sas", _words("{BASE64:43}%3D"), "?sv=2024&sig={}&se=1"),
    ("jwt", _jwt, "{}"),
    ("private_key", _private_key, "{}"),
    ("bearer", _words("{TOKEN:40}"), "Authorization: Bearer {}"),
    ("basic", _basic, "Authorization: Basic {}"),
    ("anthropic", _words("sk-ant-api03-{TOKEN:93}AA"), "key{}"),
    ("openai", _words("sk-proj-{TOKEN:74}T3BlbkFJ{TOKEN:74}"), "a{}"),
    ("openai", _words("sk-proj-{TOKEN:74}T3BlbkFJ{TOKEN:74}"), "q=k%3D{}%26x"),
    ("openrouter", _words("sk-or-v1-{HEX:64}"), "or{}"),
    ("groq", _words("gsk_{ALNUM:52}"), "k%3d{}"),
    ("aws", _words("AKIA{BASE32:16}"), "%22{}%22"),
    ("assigned", _words("{ALNUM:32}"), "MISTRAL_API_KEY%3D{}"),
    ("password", _words("Tr0ub{ALNUM:8}"), "password={}"),
    ("password", _words("hunter{:4}!"), "passwd: {}"),
    ("password", _words("{ALNUM:6}#7x"), "Server=db;Uid=anna;pwd={};"),
    ("password", _words("x1{TOKEN:12}"), '{{"dbPassword": "{}"}}'),
    ("password", _words("x1{TOKEN:12}"), "DB_PASSWORD='{}'"),
    ("password", _words("x1{TOKEN:12}"), 'a log: "{{\\"password\\": \\"{}\\"}}"'),
    ("password", _words("x1{ALNUM:12}"), "user%3Danna%26password%3D{}"),
    ("url_password", _words("anna:{ALNUM:12}"), "postgres://{}@db.example/x"),
]
