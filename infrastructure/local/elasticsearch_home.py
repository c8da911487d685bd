"""The programs of our own Elasticsearch node, put together once from the jars on Maven Central."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infrastructure.local.account import Account, reachable_folder, server_account
from infrastructure.local.leash import ProgramFailedError, run_to_end

VERSION = "8.19.5"
_SOURCES = Path(__file__).parent / "elasticsearch_node"
_COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MODULES = {
    "transport-netty4": ("org.elasticsearch.transport.netty4.Netty4Plugin", "HTTP and transport over Netty"),
    "analysis-common": ("cinema.billing.analysis.LanguageAnalyzers", "The analyzers of Russian and English"),
}


class NoElasticsearchError(Exception):
    """Elasticsearch cannot be had on this machine; the message says why in one line."""


@dataclass(frozen=True)
class Java:
    """A Java of at least 17 with its compiler, that the servers' account can run."""

    java: Path
    javac: Path


def find_java(account: Account | None) -> Java:
    """JAVA_HOME's, else the one on the PATH; raises NoElasticsearchError."""
    folders = [f"{os.environ['JAVA_HOME']}/bin"] if os.environ.get("JAVA_HOME") else []
    search = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    java, javac = (shutil.which(name, path=search) for name in ("java", "javac"))
    if java is None or javac is None:
        raise NoElasticsearchError(f"no {'java' if java is None else 'javac'} found; it takes a JDK of 17 or later")
    try:
        told = run_to_end([java, "-version"], timeout_s=20)
    except (ProgramFailedError, OSError) as error:
        raise NoElasticsearchError(f"{java} does not run: {error}") from None
    major = re.search(r'version "(\d+)', told)
    if major is None or int(major[1]) < 17:
        raise NoElasticsearchError(f"{java} is Java {major[1] if major else '?'}; it takes 17 or later")
    if account is not None and not account.may_reach(Path(java).resolve()):
        raise NoElasticsearchError(f"{java} lies where the account that Elasticsearch runs under cannot read it")
    return Java(Path(java), Path(javac))


def elasticsearch_home(cache: Path, say: Callable[[str], None] = print) -> tuple[Path, Java]:
    """The node's folder, built if it is not there yet, and the Java to run it with.

    `cache` is where it is kept (elsewhere where the servers' account cannot read it). Two processes that build at
    once: the second waits and takes the first one's. Raises NoElasticsearchError.
    """
    account = server_account()
    java = find_java(account)
    cache = reachable_folder(cache, account)
    home = cache / f"elasticsearch-{VERSION}-{_fingerprint()}"
    if home.exists():
        return home, java
    with (cache / "elasticsearch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():  # nobody built it while we waited
            _build(home, java, say)
    return home, java


def _build(home: Path, java: Java, say: Callable[[str], None]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoElasticsearchError("no Maven (mvn) found, which fetches its jars")
    for left in home.parent.glob("building-*"):  # by a build that was killed; we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    half_done = Path(tempfile.mkdtemp(prefix="building-", dir=home.parent))
    try:
        say(f"fetching Elasticsearch {VERSION} by Maven (40 MB, once)")
        progress = _Progress(say)
        _fetch(maven, "server.pom.xml", half_done / "lib", progress)
        netty = half_done / "modules" / "transport-netty4"
        _fetch(maven, "transport.pom.xml", netty, progress)
        for jar in netty.iterdir():
            if (half_done / "lib" / jar.name).exists():  # twice on the class path would be "jar hell"
                jar.unlink()
        say("compiling its launcher and its analyzers of Russian and English")
        _compile(java, half_done, "launcher", half_done / "launcher")
        classes = half_done / "analysis"
        _compile(java, half_done, "analysis", classes)
        _pack(classes, half_done / "modules" / "analysis-common" / "analysis-common.jar")
        shutil.rmtree(classes)
        for name in _MODULES:
            _describe(half_done / "modules" / name, name)
        half_done.chmod(0o755)
        half_done.rename(home)
    except (ProgramFailedError, OSError) as error:
        raise NoElasticsearchError(f"its programs could not be put together: {_first_problem(str(error))}") from error
    finally:
        shutil.rmtree(half_done, ignore_errors=True)


class _Progress:
    """Counts the jars that Maven says it has fetched, its own tools included."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._jars = 0

    def hear(self, line: str) -> None:
        if "Downloaded" in line and ".jar" in line:
            self._jars += 1
            if self._jars % 20 == 0:
                self._say(f"fetched {self._jars} jars")


def _fetch(maven: str, pom: str, into: Path, progress: _Progress) -> None:
    run_to_end(
        [
            *(maven, "--batch-mode", "--strict-checksums", "-f", _SOURCES / pom, _COPY_JARS),
            *("-DincludeScope=runtime", f"-DoutputDirectory={into}"),
        ],
        timeout_s=900,
        each_line=progress.hear,
    )


def _compile(java: Java, home: Path, folder: str, into: Path) -> None:
    sources = sorted((_SOURCES / folder).glob("*.java"))
    run_to_end([java.javac, "--release", "17", "-cp", f"{home}/lib/*", "-d", into, *sources], timeout_s=120)


def _pack(classes: Path, jar: Path) -> None:
    jar.parent.mkdir(parents=True)
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(classes.rglob("*.class")):
            archive.write(file, file.relative_to(classes))


def _describe(folder: Path, name: str) -> None:
    classname, description = _MODULES[name]
    (folder / "plugin-descriptor.properties").write_text(
        f"name={name}\ndescription={description}\nversion={VERSION}\nelasticsearch.version={VERSION}\n"
        f"java.version=17\nclassname={classname}\n"
    )


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for source in sorted(path for path in _SOURCES.rglob("*") if path.is_file()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:12]


def _first_problem(output: str) -> str:
    with suppress(StopIteration):
        return next(line for line in output.splitlines() if "ERROR" in line or "error:" in line)[:300]
    return output.splitlines()[0][:300] if output else "no reason given"
