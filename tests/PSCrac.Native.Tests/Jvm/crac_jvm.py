"""A stand-in for a CRaC JVM and for its engine, as far as PSCrac can tell the difference.

As "java HOME OPTIONS...": maps HOME/lib/server/libjvm.so, counts on standard output, opens an attach socket when SIGQUIT
finds a trigger file, answers commands, and on JDK.checkpoint starts its engine and sleeps until SIGRTMIN+2 brings a
number. With -XX:CRaCRestoreFrom it becomes the engine's restore instead.

As "engine HOME ...": checkpoint DIR, restore DIR, restorewait; without a command it is criu's action script.

With the mode library-engine it is a JVM of today: its engine is a library, so there is no cppath and no perfdata; the image
has files engine, tags and score, and a restore wants the first; -XX:CRaCEngineOptions takes keep_running, criu_location and
args; criu restores with --cpu-cap=none. Both kinds take CRAC_CRIU_PATH and CRAC_CRIU_OPTS.

FAKE_JVM picks what goes wrong, words with blanks between: strict (root may not attach), v2 (protocol 2), deaf, silent,
(or a file of that name in its working directory),
refuses, refuses-on-console, connected (criu will fail), no-crac, library-engine,
bare (refuses on its console, as the first builds), mute (writes nothing when a checkpoint fails), dies (ends then),
launcher (forks, and the child is the JVM), unfamiliar (no file of the runtime tells of CRaC),
terminal (leads the session of a terminal of its own), warp (the default engine is not criu), ends (the same, and no flag tells).
"""
import ctypes
import fcntl
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import uuid

WAKE = 34 + 2
LIBC = ctypes.CDLL(None, use_errno=True)
MODES = os.environ.get("FAKE_JVM", "").split()

REFUSAL = """An exception during a checkpoint operation:
jdk.internal.crac.mirror.CheckpointException
\tSuppressed: jdk.internal.crac.mirror.impl.CheckpointOpenFileException: /var/log/shop.log
\t\tat java.base/jdk.internal.crac.JDKFileResource.lambda$beforeCheckpoint$1(JDKFileResource.java:94)
\t\tat java.base/jdk.internal.crac.mirror.Core.checkpointRestore1(Core.java:170)
\tCaused by: java.lang.Exception: This file descriptor was created by main at epoch:1735916741916 here
\t\tat java.base/jdk.internal.crac.JDKFdResource.<init>(JDKFdResource.java:60)
\t\tat java.base/java.io.FileOutputStream.<init>(FileOutputStream.java:120)
\t\tat com.example.shop.Audit.open(Audit.java:31)
\t\tat com.example.shop.Main.main(Main.java:12)
\tSuppressed: jdk.internal.crac.mirror.impl.CheckpointOpenSocketException: tcp6 localAddr :: localPort 8080 remoteAddr :: remotePort 0
\t\tat java.base/jdk.internal.crac.mirror.Core.translateJVMExceptions(Core.java:115)
\tSuppressed: jdk.internal.crac.mirror.impl.CheckpointOpenResourceException: FD fd=61 type=unknown path=anon_inode:[eventpoll]
\t\tat java.base/jdk.internal.crac.mirror.Core.translateJVMExceptions(Core.java:117)
"""

BARE = """jdk.crac.impl.CheckpointOpenFileException: /var/log/shop.log
\tat java.base/jdk.crac.Core.translateJVMExceptions(Core.java:80)
\tat java.base/jdk.crac.Core.checkpointRestore0(Core.java:112)
jdk.crac.impl.CheckpointOpenSocketException: tcp localAddr 127.0.0.1 localPort 8080
\tat java.base/jdk.crac.Core.translateJVMExceptions(Core.java:83)
"""


class Jvm:
    def __init__(self, home, options):
        self.home = home
        self.checkpoint_to = None
        self.engine_name = "warp" if "warp" in MODES else "criuengine"
        self.environment = dict(os.environ)
        self.properties = {"java.home": home, "java.vm.name": "Stand-in VM", "path.like": "a=b\tc"}
        for option in options:
            if option.startswith("-XX:CRaCCheckpointTo="):
                self.checkpoint_to = option.split("=", 1)[1]
            elif option.startswith("-XX:CRaCEngine="):
                self.engine_name = option.split("=", 1)[1]
            elif option.startswith("-XX:CRaCEngineOptions="):
                self.environment.update(engine_options(option))
            elif option.startswith("-D"):
                name, _, value = option[2:].partition("=")
                self.properties[name] = value
        self.started, self.generation = time.time(), 1
        self.wanted = threading.Event()
        self.listener = None
        self.socket_path = None

    # Attach.

    def on_quit(self, *_):
        name = f".attach_pid{os.getpid()}"
        for path in (name, f"/tmp/{name}"):
            if os.path.exists(path) and os.stat(path).st_uid in (os.geteuid(), 0 if "strict" not in MODES else os.geteuid()):
                self.listen()
                return
        print("Full thread dump", flush=True)

    def listen(self):
        if self.listener:
            return
        self.socket_path = f"/tmp/.java_pid{os.getpid()}"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.unlink(self.socket_path)
        except FileNotFoundError:
            pass
        self.listener.bind(self.socket_path + ".tmp")
        self.listener.listen(5)
        os.chmod(self.socket_path + ".tmp", 0o600)
        os.rename(self.socket_path + ".tmp", self.socket_path)
        self.server = threading.Thread(target=self.serve, daemon=True)
        self.server.start()

    def serve(self):
        while not self.wanted.is_set():
            peer, _ = self.listener.accept()
            with peer:
                _, user, group = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                mine = (user, group) == (os.geteuid(), os.getegid())
                if mine or (user == 0 and "strict" not in MODES):
                    self.answer(peer)

    def answer(self, peer):
        def words(count, head=b""):
            data = head
            while data.count(b"\0") < count:
                more = peer.recv(4096)
                if not more:
                    return None
                data += more
            return data

        data = words(2)
        if data is None:
            return
        if data.startswith(b"2\0") and "v2" in MODES:
            _, size, rest = data.split(b"\0", 2)
            while len(rest) < int(size):
                rest += peer.recv(4096)
            command, *arguments = rest.decode().split("\0")
        elif data.startswith(b"1\0"):
            command, *arguments = words(5, data).decode().split("\0")[1:]
        else:
            peer.sendall(b"101\n")
            return
        if "deaf" in MODES:
            self.wanted.wait()
            return
        status, text = self.carry_out(command, arguments)
        peer.sendall(f"{status}\n{text}".encode())

    def carry_out(self, command, arguments):
        if command == "properties":
            def escape(text):
                return text.replace("\\", "\\\\").replace("\t", "\\t").replace("=", "\\=").replace(":", "\\:")
            return 0, "#comment\n" + "".join(f"{escape(k)}={escape(v)}\n" for k, v in self.properties.items())
        if command == "getversion" and "v2" in MODES:
            return 0, "2"
        if command == "printflag" and arguments[0] == "CRaCCheckpointTo" and "no-crac" not in MODES:
            return 0, f"-XX:CRaCCheckpointTo={self.checkpoint_to or ''}\n"
        if command == "printflag" and arguments[0] == "CRaCEngine" and not {"no-crac", "ends"} & set(MODES):
            return 0, f"-XX:CRaCEngine={self.engine_name}\n"
        if command == "printflag":
            return 0, f"no such flag '{arguments[0]}'\n"
        if command == "jcmd" and arguments[0] == "JDK.checkpoint":
            if "refuses" in MODES:
                return 0, REFUSAL
            if "refuses-on-console" in MODES:
                print(REFUSAL, file=sys.stderr, flush=True)
            elif "bare" in MODES:
                print(BARE, file=sys.stderr, flush=True)
            elif "silent" not in MODES and not os.path.exists("silent"):
                self.wanted.set()
            return 0, "Command executed successfully\n"
        if command == "jcmd" and arguments[0].startswith("Echo "):
            return 0, arguments[0][5:]
        if command == "jcmd":
            return 1, "java.lang.IllegalArgumentException: Unknown diagnostic command\n"
        return -1, f"Operation {command} not recognized!"

    # Checkpoint.

    def checkpoint(self):
        self.server.join()  # criu writes nonsense for a thread that ends under its hands.
        self.wanted.clear()  # Before the next SIGQUIT, which may come while it waits.
        os.unlink(self.socket_path)
        self.listener.close()
        self.listener = None
        directory = self.interpolate(self.checkpoint_to)
        os.makedirs(directory, 0o700, exist_ok=True)
        if "ends" in MODES:
            with open(os.path.join(directory, "heap.bin"), "wb") as file:
                file.write(b"an image of another kind")
            os._exit(0)
        if "library-engine" in MODES:
            for name, text in ("engine", self.engine_name), ("tags", "label:cpu.arch=amd64\n"), ("score", "vm.uptime=1.500000\n"):
                with open(os.path.join(directory, name), "w") as file:
                    file.write(text)
        else:
            with open(os.path.join(directory, "perfdata"), "w+b") as file:
                file.truncate(4096)
                self.perfdata = mmap.mmap(file.fileno(), 4096)
            self.perfdata[0:7] = b"counted"
        subprocess.run([engine_of(self.home), "checkpoint", directory], env=self.environment, check=True)
        wait_set, info = signal_set(WAKE), (ctypes.c_int * 32)()
        while LIBC.sigwaitinfo(wait_set, info) < 0:
            pass
        value = info[6] if info[2] == -1 else -1
        if value < 0 and "mute" in MODES:
            return
        if value < 0:
            print("JVM: invalid info for restore provided: queued code -1", flush=True)
            print(REFUSAL.split("\tSuppressed")[0], file=sys.stderr, flush=True)
            if "dies" in MODES:
                os._exit(1)
            return
        if "library-engine" not in MODES and self.perfdata[0:7] != b"counted":
            raise SystemExit("the performance counters are gone")
        print(f"restored {value > 0}", flush=True)
        self.generation += 1
        if value > 0:
            path = f"{self.home}/crac_{value}"
            with open(path) as file:
                parameters = json.load(file)
            os.unlink(path)
            self.properties.update(parameters["properties"])
            for word in sorted(parameters["properties"].items()):
                print("property %s=%s" % word, flush=True)
            if parameters["arguments"]:
                print("main " + "|".join(parameters["arguments"]), flush=True)

    def interpolate(self, location):
        """Fills in the patterns of -XX:CRaCCheckpointTo."""
        def value(match):
            width, letter = match.groups()
            now = time.time()
            iso = lambda moment: time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
            if letter in "tbr":
                return iso(now if letter == "t" else self.started)
            if letter in "afu%":
                return {"a": "amd64" if os.uname().machine == "x86_64" else "aarch64", "f": "0x3ef8e1c05fdfbf7,0x3cc", "u": str(uuid.uuid4()), "%": "%"}[letter]
            number = {"T": now, "B": self.started, "R": self.started, "p": os.getpid(), "c": os.cpu_count(), "m": 256, "g": self.generation}[letter]
            return ("%" + width + "d") % int(number) + ("M" if letter == "m" and not width else "")

        return re.sub(r"%(0?[0-9]*)([%afutTbBrRpcmg])", value, location)

    def run(self):
        with open(f"{self.home}/lib/server/libjvm.so", "rb") as library:
            self.library = mmap.mmap(library.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
        LIBC.pthread_sigmask(signal.SIG_BLOCK, signal_set(WAKE), None)
        signal.signal(signal.SIGQUIT, self.on_quit)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
        if "terminal" in MODES:
            self.terminal = os.openpty()
            fcntl.ioctl(self.terminal[1], termios.TIOCSCTTY, 0)
        if "connected" in MODES:
            server = socket.create_server(("127.0.0.1", 0))
            self.ends = socket.create_connection(server.getsockname()), server.accept(), server
        number = 0
        while True:
            number += 1
            print(number, flush=True)
            time.sleep(0.02)
            if self.wanted.is_set():
                self.checkpoint()


def signal_set(number):
    # sigset_t is 128 bytes, signal 1 its lowest bit.
    return (ctypes.c_ulong * 16)(1 << (number - 1))


def engine_of(home):
    """The engine's program; one that is a library has a helper beside it, which the stand-in uses for the library too."""
    return next(path for path in (f"{home}/lib/criuengine", f"{home}/lib/criuhelper", f"{home}/lib/elsewhere") if os.path.exists(path))


def kick(pid, value):
    LIBC.sigqueue(pid, WAKE, ctypes.c_void_p(value & 0xFFFFFFFF))


def look_like(words):
    """Shows the words as this process's command line, in the memory that holds the real one."""
    with open("/proc/self/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    start, end = int(fields[45]), int(fields[46])
    text = b"".join(word.encode() + b"\0" for word in words)[: end - start].ljust(end - start, b"\0")
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(text)


def java(home, options):
    restore = [option for option in options if option.startswith("-XX:CRaCRestoreFrom=")]
    if not restore:
        look_like([f"{home}/bin/java", *options])
        if "launcher" in MODES and (child := os.fork()):
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
        Jvm(home, options).run()
    parameters = {"properties": dict(o[2:].split("=", 1) for o in options if o.startswith("-D")), "arguments": []}
    parameters["arguments"] = [option for option in options if not option.startswith("-")]
    # A real one uses shared memory, which stays where the restore fails.
    with open(f"{home}/crac_{os.getpid()}", "w") as file:
        json.dump(parameters, file)
    os.environ["CRAC_NEW_ARGS_ID"] = str(os.getpid())
    for option in options:
        if option.startswith("-XX:CRaCEngineOptions="):
            os.environ.update(engine_options(option))
    os.execv(engine_of(home), ["criuengine", "restore", restore[0].split("=", 1)[1]])


def engine_options(option):
    """What the engine's own options mean to this engine, in the words of the older one: variables of its environment."""
    variables = {"keep_running": "CRAC_CRIU_LEAVE_RUNNING", "criu_location": "CRAC_CRIU_PATH", "args": "CRAC_CRIU_OPTS"}
    pairs = (word.partition("=") for word in option.split("=", 1)[1].split(","))
    return {variables[name]: value for name, _, value in pairs if value != "false"}


def engine(home, words):
    criu = os.environ.get("CRAC_CRIU_PATH") or f"{home}/lib/criu"
    more = os.environ.get("CRAC_CRIU_OPTS", "").split()
    me = engine_of(home)
    if not words:
        if os.environ.get("CRTOOLS_SCRIPT_ACTION") == "post-resume":
            kick(int(os.environ["CRTOOLS_INIT_PID"]), int(os.environ.get("CRAC_NEW_ARGS_ID", "0")))
    elif words[0] == "checkpoint":
        dump(os.getppid(), criu, words[1])
    elif words[0] == "restore":
        command = [criu, "restore", "-W", ".", "--shell-job", "--action-script", me, "-D", words[1], "-v1"]
        if "criuhelper" in me:
            with open(f"{words[1]}/engine") as file:
                if (saved := file.read()) != "criuengine":
                    sys.exit(f"Image format does not match; saved image with engine {saved}, restoring with criuengine")
            command += ["--cpu-cap=none", *more]
        if os.path.exists(f"{words[1]}/perfdata"):
            file = os.open(f"{words[1]}/perfdata", os.O_RDWR)
            os.set_inheritable(file, True)
            with open(f"{words[1]}/cppath") as path:
                command += ["--inherit-fd", f"fd[{file}]:{path.read().lstrip('/')}/perfdata"]
        os.execv(criu, [*command, "--exec-cmd", "--", me, "restorewait"])
    elif words[0] == "restorewait":
        jvm = int(os.environ["CRTOOLS_INIT_PID"])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda caught, _: os.kill(jvm, caught))
        code = os.waitstatus_to_exitcode(os.waitpid(jvm, 0)[1])
        os._exit(code if code >= 0 else 128 - code)


def dump(jvm, criu, directory):
    if os.fork():
        os.wait()
        return
    between = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.001)
    running = "CRAC_CRIU_LEAVE_RUNNING" in os.environ
    command = [criu, "dump", "-t", str(jvm), "-D", directory, "--shell-job", "-v4", "-o", "dump4.log"]
    more = os.environ.get("CRAC_CRIU_OPTS", "").split()
    failed = subprocess.run(command + (["-R"] if running else []) + more).returncode
    if failed:
        kick(jvm, -1)
    elif running:
        kick(jvm, 0)
    if "library-engine" not in MODES:
        with open(f"{directory}/cppath", "w") as file:
            file.write(os.path.realpath(directory))
    os._exit(0)


if __name__ == "__main__":
    {"java": java, "engine": engine}[sys.argv[1]](sys.argv[2], sys.argv[3:])
