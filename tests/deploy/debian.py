"""The recipe of docs/deploy.md on this machine: nginx, two instances with systemd's part played here, PgBouncer.

Each file of deploy/ is used as it is, but for addresses and places: a test has no port 443 and no /srv.
"""

import configparser
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2
import requests
from requests.adapters import HTTPAdapter

from project import env
from tests import needs
from tests.support.gateways import Gateway
from tests.support.servers import free_port, wait_until

DEPLOY = env.ROOT / "deploy"
RECIPE = (env.ROOT / "docs" / "deploy.md").read_text()
HOST = "zovi.example"
INSTALL = "apt install nginx pgbouncer openssl"
PROGRAMS = ("nginx", "pgbouncer", "openssl")
# systemd's way to hand a socket over: it is file 3, and LISTEN_PID says whose (sd_listen_fds(3)).
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
SECRETS = {name: name.lower() * 10 for name in ("SECRET_KEY", "JWT_SECRET_KEY", "OTP_PEPPER")}


def replaced(name: str, **places: str) -> str:
    """A file of deploy/ with some places replaced; each must be in it."""
    text = (DEPLOY / name).read_text()
    for recipe, here in places.items():
        assert recipe in text, f"{recipe} is not in {name}"
        text = text.replace(recipe, here)
    return text


class Instance:
    """zovi@PORT.socket and zovi@PORT.service, by the lines of these files that a program can obey without systemd."""

    def __init__(self, folder: Path, configuration: dict[str, str]):
        self.folder = folder
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.socket.getsockname()[1]
        self.unit = configparser.ConfigParser(interpolation=None, strict=False)
        self.unit.optionxform = str
        self.unit.read_string((DEPLOY / "zovi@.service").read_text().replace("%i", str(self.port)))
        named = dict(word.split("=", 1) for word in self.unit["Service"]["Environment"].split())
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        self.environment = inherited | named | configuration

    def refuses(self) -> str:
        """What it says instead of starting."""
        command = self.unit["Service"]["ExecStart"].replace("/srv/zovi/.venv/bin/python", sys.executable)
        self.environment |= {"PORT": str(free_port())}  # not systemd's, which nobody hands over here
        done = subprocess.run(
            command.split(), env=self.environment, cwd=env.ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        return done.stderr

    def start(self) -> None:
        """Returns when the server has said READY=1, as Type=notify asks."""
        command = self.unit["Service"]["ExecStart"].replace("/srv/zovi/.venv/bin/python", sys.executable)
        told = self.folder / f"notify-{uuid.uuid4().hex[:8]}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, open(self.folder / "log", "ab") as log:
            notified.bind(str(told))
            notified.settimeout(300)
            self.process = subprocess.Popen(
                [sys.executable, "-c", HAND_OVER, str(self.socket.fileno()), *command.split()],
                env=self.environment | {"NOTIFY_SOCKET": str(told)},
                cwd=env.ROOT,
                pass_fds=[self.socket.fileno()],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            while b"READY=1" not in notified.recv(1000):
                pass

    def stop(self) -> None:
        """SIGTERM to the main process only, and TimeoutStopSec."""
        assert self.unit["Service"]["KillMode"] == "mixed"
        self.process.terminate()
        assert self.process.wait(timeout=int(self.unit["Service"]["TimeoutStopSec"])) == 0

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Site:
    """Everything behind https://zovi.example, and the telephones of those who sign in there."""

    def __init__(self, folder: Path, database_url: str):
        self.folder = folder
        self.database_url = database_url
        self.gateway = Gateway()
        self.instances: list[Instance] = []
        self.running: list[subprocess.Popen] = []

    def start(self) -> None:
        threading.Thread(target=self.gateway.serve_forever, daemon=True).start()
        self.manage("migrate", "--verbosity", "0")
        self.start_pgbouncer()
        for _ in range(2):
            self.instances.append(Instance(self.folder, self.configuration(self.pooled_url)))
            self.instances[-1].start()
        self.start_nginx()

    def stop(self) -> None:
        for instance in self.instances:
            instance.kill()
            instance.socket.close()
        for process in self.running:
            process.terminate()
            process.wait()
        self.gateway.shutdown()
        self.gateway.server_close()

    def env_file(self, name: str) -> Path:
        """.env, made by the recipe's own lines; only the gateway and the database are others."""
        [lines] = re.findall(r"(?ms)^(install -o zovi -m 600 .env.example .env\n.*?^END\n)", RECIPE)
        folder = self.folder / name
        folder.mkdir()
        (folder / ".env.example").write_bytes((env.ROOT / ".env.example").read_bytes())
        lines = lines.replace("-o zovi ", "")
        for setting, value in {"SMS_URL": self.gateway.url, "DATABASE_URL": self.database_url}.items():
            lines, found = re.subn(rf"(?m)^{setting}=.*$", f"{setting}={value}", lines)
            assert found == 1
        subprocess.run(["bash", "-euc", lines], cwd=folder, check=True)
        return folder / ".env"

    def configuration(self, database_url: str) -> dict[str, str]:
        """What the recipe's .env holds. DATABASE_PREPARE=0 as its words on PgBouncer ask."""
        return SECRETS | {
            "ALLOWED_HOSTS": HOST,
            "SMS_URL": self.gateway.url,
            "DATABASE_URL": database_url,
            "DATABASE_PREPARE": "0",
            "LOCAL_DIR": str(self.folder / "local"),
            "WEB_CONCURRENCY": "2",
            "OTP_RESEND_COOLDOWN": "0",
            "OTP_SENDS_PER_PHONE": "5/h",
            "OTP_SENDS_PER_IP": "20/h",
            "OTP_SENDS_GLOBAL": "off",
        }

    def manage(self, *command: str) -> None:
        environment = {"PATH": os.environ["PATH"], "DEMO": "0"} | self.configuration(self.database_url)
        subprocess.run([sys.executable, "manage.py", *command], env=environment, cwd=env.ROOT, check=True)

    def start_pgbouncer(self) -> None:
        port = free_port()
        direct = urlsplit(self.database_url)
        server = f"host={parse_qs(direct.query)['host'][0]} dbname={direct.path[1:]} user={direct.username}"
        words = replaced(
            "pgbouncer.ini",
            **{
                "host=127.0.0.1 port=5432 dbname=zovi": server,
                "listen_port = 6432": f"listen_port = {port}\nunix_socket_dir =",
                "/etc/pgbouncer/userlist.txt": str(self.folder / "userlist.txt"),
            },
        )
        (self.folder / "userlist.txt").write_text('"zovi" "as-in-the-recipe"\n')
        (self.folder / "pgbouncer.ini").write_text(words)
        as_who = ["-u", "nobody"] if os.getuid() == 0 else []  # as for PostgreSQL itself, see localdb.py
        self._run("pgbouncer", *as_who, str(self.folder / "pgbouncer.ini"))
        self.pooled_url = f"postgres://zovi:as-in-the-recipe@127.0.0.1:{port}/zovi"
        wait_until(lambda: _accepts(port))

    def start_nginx(self) -> None:
        plain, secure = free_port(), free_port()
        make = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={HOST}"
        make += f" -addext subjectAltName=DNS:{HOST},IP:127.0.0.1 -keyout privkey.pem -out fullchain.pem"
        openssl = needs.program("openssl", INSTALL)
        subprocess.run([openssl, *make.split()], cwd=self.folder, check=True, capture_output=True)
        first, second = (str(instance.port) for instance in self.instances)
        site = replaced(
            "nginx.conf",
            **{
                "127.0.0.1:8001": f"127.0.0.1:{first}",
                "127.0.0.1:8002": f"127.0.0.1:{second}",
                "    listen [::]:80;\n": "",
                "    listen [::]:443 ssl http2;\n": "",
                "listen 80;": f"listen 127.0.0.1:{plain};",
                "listen 443 ": f"listen 127.0.0.1:{secure} ",
                f"/etc/letsencrypt/live/{HOST}": str(self.folder),
            },
        )
        (self.folder / "site.conf").write_text(site)
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"""daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log;
            {f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""}
            events {{ worker_connections 4096; }}
            http {{ {temporary}
                log_format upstream '$upstream_addr'; access_log {self.folder}/access.log upstream;
                include {self.folder}/site.conf; }}"""
        )
        self._run("nginx", "-c", str(self.folder / "nginx.conf"))
        self.plain, self.base = f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"
        wait_until(lambda: _accepts(secure))

    def _run(self, name: str, *arguments: str) -> None:
        with open(self.folder / f"{name}.out", "ab") as log:
            self.running.append(subprocess.Popen([needs.program(name, INSTALL), *arguments], stdout=log, stderr=log))

    # --- Who comes ---------------------------------------------------------------------------------------------

    def visitor(self, address: str = "127.0.0.1") -> "Visitor":
        return Visitor(self, address)

    def texts_to(self, phone: str) -> list[str]:
        return [body["message"] for path, body in self.gateway.received if path.startswith(f"/sms/{phone}")]

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Straight from PostgreSQL, past PgBouncer."""
        connection = psycopg2.connect(self.database_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            found = cursor.fetchall()
        connection.close()
        return found

    def served_by(self) -> set[str]:
        """The upstream addresses of all requests so far."""
        return set(re.findall(r"127\.0\.0\.1:\d+", (self.folder / "access.log").read_text()))

    def wait_until_nginx_asks_both(self) -> None:
        """An upstream that failed is not asked for `fail_timeout`; with the other one gone, nobody would be."""
        before = len((self.folder / "access.log").read_text())

        def both() -> bool:
            self.visitor().get("/livez")
            return len(set(re.findall(r"127\.0\.0\.1:\d+", (self.folder / "access.log").read_text()[before:]))) == 2

        wait_until(both)


class From(HTTPAdapter):
    """Connects from a certain address of this machine; all of 127.0.0.0/8 is ours."""

    def __init__(self, address: str):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs, source_address=(self.address, 0))


class Visitor:
    """A browser at an address of its own."""

    def __init__(self, site: Site, address: str):
        self.site = site
        self.session = requests.Session()
        self.session.mount("https://", From(address))
        self.session.trust_env = False  # a CA bundle of the environment would win over ours
        self.session.verify = str(site.folder / "fullchain.pem")
        self.session.headers["Host"] = HOST

    def get(self, path: str, **options) -> requests.Response:
        return self.session.get(f"{self.site.base}{path}", timeout=300, **options)

    def post(self, call: str, **body: str) -> requests.Response:
        return self.session.post(f"{self.site.base}/api/users/{call}/", json=body, timeout=300)

    def ask_for_code(self, phone: str) -> dict:
        """The challenge, and the code as the telephone shows it."""
        known = len(self.site.texts_to(phone))
        answer = self.post("send_otp", phone_number=phone)
        assert answer.status_code == 200, answer.text
        code = re.search(r"\b\d{4,6}\b", self.site.texts_to(phone)[known])
        return {"challenge": answer.json()["challenge"], "otp": code[0]}

    def sign_in(self, phone: str) -> "Visitor":
        answer = self.post("auth", **self.ask_for_code(phone))
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()
        self.session.headers["Authorization"] = f"Bearer {self.tokens['token']}"
        return self


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def scratch_folder() -> Path:
    """Short enough for a socket, and open: PgBouncer drops root before it reads its user list."""
    folder = Path(tempfile.mkdtemp(prefix="zovi-site-"))
    folder.chmod(0o755)
    return folder


def code_of(answer: requests.Response) -> str | None:
    return json.loads(answer.text).get("code") if answer.text else None
