#!/bin/sh
# Gets a fresh machine to the point where build.ps1 runs, then hands over to it.
# What it fetches goes to .tools/ beside it; the system stays as it is unless --system is given.
# For a POSIX shell: no bash here.

set -eu

usage() {
    cat <<'USAGE'
usage: ./build.sh [options] [TASK [options of build.ps1]]

  TASK             Build (the default), Test, Demo, Bench, Analyze, Help, Package or Clean; in any case
  --system         installs criu from the machine's own package suites instead of a private copy
  --require-pwsh   fails where PowerShell or Pester cannot be had, instead of doing without
  --with-programs  for Test: first installs from Debian what single tests want (tests/programs.txt). Without it such
                   tests are skipped, and the program is named
  --only-skipped   for Test: runs only what the last run skipped for want of a program

Finds criu, the .NET SDK and PowerShell, fetches what is missing into .tools/, and runs build.ps1.
USAGE
}

criu_wanted=4.2
# From kernel 6.13 on an older criu does not start, and up to 4.1 it cannot dump a socket on later ones.
criu_wanted_before_6_13=3.17
pwsh_wanted=7.6
sdk_wanted=10.0
# Where a private criu comes from, the first that serves.
debian_suites='forky sid'

# ---------------------------------------------------------------- small things

say() { printf '%-7s %s\n' "$1" "$2"; }

die() {
    printf 'build.sh: %s\n' "$1" >&2
    shift
    for line; do printf '          %s\n' "$line" >&2; done
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

lower() { printf '%s' "$1" | tr '[:upper:]' '[:lower:]'; }

# Is version $1 at least $2?
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# A path as a person here would type it.
short() {
    case $1 in
        "$root"/*) printf '%s' "${1#"$root"/}" ;;
        *) printf '%s' "$1" ;;
    esac
}

# ---------------------------------------------------------------- arguments

root=$(cd -- "$(dirname -- "$0")" && pwd)
cd -- "$root"
tools=$root/.tools
system=''
require_pwsh=''
with_programs=''
only_skipped=''
task=''
left=$#
while [ "$left" -gt 0 ]; do
    argument=$1
    shift
    left=$((left - 1))
    case $argument in
        -h | --help) usage; exit 0 ;;
        --system) system=yes ;;
        --require-pwsh) require_pwsh=yes ;;
        --with-programs) with_programs=yes ;;
        --only-skipped) only_skipped=yes ;;
        --*) usage >&2; die "there is no option $argument" ;;
        *) if [ -z "$task" ]; then task=$argument; else set -- "$@" "$argument"; fi ;;
    esac
done

case $(lower "${task:-build}") in
    build) task=Build ;;
    test) task=Test ;;
    demo) task=Demo ;;
    bench) task=Bench ;;
    analyze) task=Analyze ;;
    help) task=Help ;;
    package) task=Package ;;
    clean) task=Clean ;;
    *) usage >&2; die "there is no task '$task'" ;;
esac

if [ "$task" != Test ] && [ -n "$with_programs$only_skipped" ]; then
    usage >&2
    die '--with-programs and --only-skipped are for Test'
fi
case $task in
    Test | Demo | Bench) needs_criu=yes needs_privilege=yes ;;
    Build) needs_criu=yes needs_privilege='' ;;
    *) needs_criu='' needs_privilege='' ;;
esac
case $task in
    Test | Bench) wants_crit=yes ;;
    *) wants_crit='' ;;
esac

# ---------------------------------------------------------------- privileges

is_root() { [ "$(id -u)" -eq 0 ]; }

# Does this process hold CAP_SYS_ADMIN (21) or CAP_CHECKPOINT_RESTORE (40)?
has_capability() {
    bits=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    [ -n "$bits" ] && [ $((0x$bits >> 21 & 1 | 0x$bits >> 40 & 1)) -eq 1 ]
}

# criu wants to be told when it is not run by root.
criu_check() {
    if is_root; then "$1" check; else "$1" --unprivileged check; fi
}

is_privileged() {
    is_root || has_capability || { have criu && criu_check criu >/dev/null 2>&1; }
}

require_privilege() {
    is_privileged && return
    if have sudo; then
        die "$task runs criu, which needs root or CAP_CHECKPOINT_RESTORE; nothing was done. Run:" \
            "sudo env \"PATH=\$PATH\" ./build.sh $(lower "$task")"
    fi
    die "$task runs criu, which needs root or CAP_CHECKPOINT_RESTORE; nothing was done." \
        "There is no sudo here: run it as root."
}

# ---------------------------------------------------------------- criu

# criu and ldconfig are there, also for users whose PATH leaves it out.
PATH=$PATH:/usr/sbin:/sbin
export PATH
kernel=$(uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')

criu_version() { "$1" --version 2>/dev/null | sed -n 's/^Version:[[:space:]]*//p'; }

# Can a criu of this version work on this kernel? Otherwise $why says why not.
criu_fits() {
    at_least "$1" "$criu_wanted" && return
    if at_least "$kernel" 6.13; then
        why="kernel $kernel needs criu $criu_wanted or later"
        return 1
    fi
    why="criu $criu_wanted_before_6_13 or later is needed"
    at_least "$1" "$criu_wanted_before_6_13"
}

# The libcriu that the loader would find.
system_libcriu() {
    found=$(ldconfig -p 2>/dev/null | sed -n 's/.*libcriu\.so\.2 .*=> //p' | head -n 1)
    if [ -n "$found" ]; then printf '%s' "$found"; return; fi
    for found in /usr/local/lib*/libcriu.so.2 /usr/lib/*/libcriu.so.2 /usr/lib*/libcriu.so.2 /lib*/libcriu.so.2; do
        if [ -e "$found" ]; then printf '%s' "$found"; return; fi
    done
    return 1
}

# Runs criu's own check where that is possible; $why has its words where it fails.
criu_passes() {
    is_privileged || return 0
    why=$(criu_check "$1" 2>&1) && return
    why="'criu check' fails: $(printf '%s\n' "$why" | grep -m 1 -i error || printf '%s\n' "$why" | tail -n 1)"
    return 1
}

# The system's criu, if it will do. Otherwise $system_has says what is wrong with it.
use_system_criu() {
    criu=$(command -v criu) || { system_has='the system has none'; return 1; }
    version=$(criu_version "$criu")
    if [ -z "$version" ]; then
        system_has="the system's $criu does not run"
    elif ! criu_fits "$version" || ! criu_passes "$criu"; then
        system_has="the system's is $version: $why"
    elif ! libcriu=$(system_libcriu); then
        system_has="the system's is $version, but there is no libcriu.so.2 with it"
    else
        say criu "$version, $criu with $libcriu"
        # The module looks into .tools before it looks at the system.
        if [ -e "$tools/criu" ]; then export CRAC_CRIU_PATH="$criu" CRAC_LIBCRIU_PATH="$libcriu"; fi
        return 0
    fi
    return 1
}

use_private_criu() {
    criu=$tools/criu/bin/criu
    [ -x "$criu" ] && [ -e "$tools/criu/lib/libcriu.so.2" ] || return 1
    version=$(criu_version "$criu")
    [ -n "$version" ] && at_least "$version" "$criu_wanted" || return 1
    criu_passes "$criu" ||
        die "the private criu $version in $(short "$tools/criu") does not work on this machine (remove it to fetch it anew):" "$why"
    is_privileged || system_has="$system_has; not checked, which needs root"
    say criu "$version, private copy in $(short "$tools/criu") ($system_has)"
}

# This distribution and those it is like, each between spaces.
distribution() {
    printf ' %s ' "$(sed -n 's/^ID=//p; s/^ID_LIKE=//p' /etc/os-release 2>/dev/null | tr -d \"\' | tr '\n' ' ')"
}

# What to do about criu on this distribution, in words; ends the run.
no_criu() {
    case $(distribution) in
        *' ubuntu '*) mend='sudo add-apt-repository ppa:criu/ppa && sudo apt-get install criu libcriu2' ;;
        *' fedora '* | *' rhel '*) mend='sudo dnf install criu criu-libs' ;;
        *' arch '*) mend='sudo pacman -S criu' ;;
        *suse*) mend='sudo zypper install criu libcriu2' ;;
        *' debian '*) mend='the packages criu and libcriu2 of Debian forky or later' ;;
        *) mend='the packages of your distribution that hold criu and libcriu.so.2' ;;
    esac
    die "criu $criu_wanted or later with libcriu.so.2 is needed, and $system_has." "$1" "What helps: $mend"
}

# The bases of the package sources that this machine's apt is configured with.
apt_bases() {
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/\([^/]*\)/\(In\)\{0,1\}Release'.*|\2 \1|p" |
        awk '$1 !~ /-security$/ && !seen[$2]++ { print $2 }'
}

# A private apt in $1 that knows one suite of one base and nothing of what is installed.
# It keeps the machine's ways to reach the network, and only trusts Debian's own keys.
private_apt() {
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
    : >"$1/status"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$2" "$3" >"$1/sources.list"
    {
        apt-config dump --format '%F "%v";%n' Acquire
        cat <<CONF
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
#clear Acquire::Languages;
Acquire::Languages "none";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
APT::Architectures { "$(dpkg --print-architecture)"; };
APT::Install-Recommends "false";
Dir::Etc::Parts "/dev/null";
Dir::Etc::Main "/dev/null";
Dir::Etc::SourceList "$1/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$1";
Dir::State::Lists "$1/lists";
Dir::State::Status "$1/status";
Dir::Cache "$1/cache";
Dir::Cache::Archives "$1/cache/archives";
CONF
        if is_root; then printf 'APT::Sandbox::User "root";\n'; fi
    } >"$1/apt.conf"
}

# Puts the wrapper and the links beside an unpacked root in $1.
finish_private_criu() {
    library=''
    for loader in "$1"/root/usr/lib/*/ld-linux*.so.* "$1"/root/usr/lib/*/ld64.so.*; do
        if [ -e "$loader" ]; then library=${loader%/*} loader=${loader##*/}; break; fi
    done
    [ -n "$library" ] || return 1
    library=${library#"$1"/root/}
    mkdir -p "$1/bin" "$1/lib"
    ln -s "../root/$library/libcriu.so.2" "../root/$library/libprotobuf-c.so.1" "$1/lib/"
    cat >"$1/bin/criu" <<WRAPPER
#!/bin/sh
# Runs the private copy of criu with its own loader and libraries; started by its whole path, as always, it starts nothing else.
self=\$0
if [ -L "\$self" ] || [ "\${self#/}" = "\$self" ]; then self=\$(readlink -f -- "\$self"); fi
root=\${self%/bin/criu}/root
exec "\$root/$library/$loader" --library-path "\$root/$library" --argv0 criu "\$root/usr/sbin/criu" "\$@"
WRAPPER
    chmod 755 "$1/bin/criu"
}

# Unpacks packages $4... of the suite $3 of the base $2, with all that they need, under $1/root.
fetch_packages() {
    target=$1
    rm -rf "${work:?}/apt" "$target"
    private_apt "$work/apt" "$2" "$3"
    mkdir -p "$target/root"
    shift 3
    LC_ALL=C APT_CONFIG=$work/apt/apt.conf apt-get -q update &&
        LC_ALL=C APT_CONFIG=$work/apt/apt.conf apt-get -q -y --download-only install "$@" &&
        for package in "$work"/apt/cache/archives/*.deb; do
            dpkg-deb -x "$package" "$target/root" || return 1
        done
}

# One try: criu from suite $2 of base $1, made in $work/criu.
fetch_criu_from() {
    { fetch_packages "$work/criu" "$1" "$2" criu libcriu2 && finish_private_criu "$work/criu"; } >>"$work/log" 2>&1 </dev/null || return 1
    version=$(criu_version "$work/criu/bin/criu")
    [ -n "$version" ] && at_least "$version" "$criu_wanted"
}

# The key that Debian's packages are checked with.
find_keyring() {
    for keyring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
        if [ -r "$keyring" ]; then return; fi
    done
    keyring=''
    return 1
}

open_work() {
    # What a run that was killed has left.
    for work in "$tools"/fetch.*; do
        if [ -d "$work" ] && ! kill -0 "${work##*.}" 2>/dev/null; then rm -rf "$work"; fi
    done
    work=$tools/fetch.$$
    mkdir -p "$work"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

close_work() {
    rm -rf "$work"
    trap - EXIT HUP INT TERM
}

fetch_criu() {
    if ! have apt-get || ! have dpkg-deb; then no_criu 'This is no Debian, so a private copy cannot be made.'; fi
    case $(distribution) in
        *' ubuntu '*) no_criu "Ubuntu's packages do not come from Debian's mirrors, so a private copy cannot be made." ;;
    esac
    find_keyring || no_criu "Debian's keys are not here to check a private copy with (package debian-archive-keyring)."

    say criu "fetching a private copy from Debian ($system_has)"
    open_work

    fetched=''
    for suite in $debian_suites; do
        for base in $(apt_bases); do
            if fetch_criu_from "$base" "$suite"; then fetched=yes; break 2; fi
        done
    done
    if [ -z "$fetched" ]; then
        if [ -f "$work/log" ]; then mv "$work/log" "$tools/criu.log"; else echo 'apt has no package sources' >"$tools/criu.log"; fi
        no_criu "A private copy could not be fetched ($(short "$tools/criu.log")): $(grep -m 1 '^E: ' "$tools/criu.log" || tail -n 1 "$tools/criu.log")"
    fi
    if ! criu_passes "$work/criu/bin/criu"; then
        die "criu $version was fetched, but does not work on this machine, so it was not kept:" "$why"
    fi
    # Whole or not at all. What is in the way is a broken copy, or a good one that another run put there meanwhile.
    if [ -e "$tools/criu" ] && ! use_private_criu >/dev/null; then mv "$tools/criu" "$work/broken"; fi
    mv -T "$work/criu" "$tools/criu" 2>/dev/null || [ -x "$tools/criu/bin/criu" ] || die "cannot write $(short "$tools/criu")"
    rm -f "$tools/criu.log"
    close_work
}

# --system: criu by apt from the suites that this machine is configured with, if those serve.
install_system_criu() {
    if ! have apt-get || ! have apt-cache; then no_criu 'Only apt is known to --system.'; fi
    is_root || die '--system installs packages, which needs root.'
    apt-get -q update >/dev/null 2>&1 </dev/null || true
    offered=$(LC_ALL=C apt-cache policy criu | sed -n 's/^ *Candidate: *//p')
    case $offered in '' | '(none)') no_criu "This machine's package suites have no criu." ;; esac
    # Without the epoch and the packaging revision.
    plain=$(printf '%s' "$offered" | sed 's/^[0-9]*://; s/[-+~].*//')
    criu_fits "$plain" || no_criu "This machine's package suites offer criu $offered only; $why. Nothing was installed."
    say criu "installing $offered from the machine's own suites"
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install criu libcriu2 </dev/null ||
        die 'apt-get could not install criu and libcriu2'
    use_system_criu || die "criu was installed, but: $system_has"
}

find_criu() {
    if [ -n "${CRAC_CRIU_PATH:-}" ]; then
        version=$(criu_version "$CRAC_CRIU_PATH")
        [ -n "$version" ] || die "CRAC_CRIU_PATH names $CRAC_CRIU_PATH, which is no criu that runs."
        criu_passes "$CRAC_CRIU_PATH" || die "CRAC_CRIU_PATH names $CRAC_CRIU_PATH, which does not work here:" "$why"
        say criu "$version, $CRAC_CRIU_PATH (from CRAC_CRIU_PATH)"
        return
    fi
    use_system_criu && return
    if [ -n "$system" ]; then install_system_criu; return; fi
    use_private_criu && return
    fetch_criu
    use_private_criu || die "the private criu in $(short "$tools/criu") does not run"
}

# ---------------------------------------------------------------- crit

# CRIU's own image tool, which the tests and benchmarks hold PSCrac's reading against. They do without it where it is not to be had.
finish_crit() {
    for loader in "$1"/root/usr/lib/*/ld-linux*.so.* "$1"/root/usr/lib/*/ld64.so.*; do
        if [ -e "$loader" ]; then break; fi
    done
    for python in "$1"/root/usr/bin/python3.[0-9]*; do
        if [ -x "$python" ]; then break; fi
    done
    [ -x "$python" ] && [ -e "$loader" ] && [ -e "$1/root/usr/bin/crit" ] || return 1
    mkdir -p "$1/bin"
    cat >"$1/bin/crit" <<WRAPPER
#!/bin/sh
# Runs the private copy of crit with its own Python, loader and libraries.
self=\$(readlink -f -- "\$0")
root=\${self%/bin/crit}/root
library=\$root/${loader#"$1"/root/}
PYTHONHOME=\$root/usr PYTHONPATH=\$root/usr/lib/python3/dist-packages \\
    exec "\$library" --library-path "\${library%/*}" --argv0 python3 "\$root/usr/bin/${python##*/}" "\$root/usr/bin/crit" "\$@"
WRAPPER
    chmod 755 "$1/bin/crit"
    "$1/bin/crit" --version
}

find_crit() {
    if [ -x "$tools/crit/bin/crit" ]; then
        say crit "private copy in $(short "$tools/crit")"
        return
    fi
    if ! have apt-get || ! have dpkg-deb || ! find_keyring; then
        say crit 'not here, and a private copy can only be made on Debian; tests against it are skipped'
        return
    fi
    say crit 'fetching a private copy from Debian'
    open_work
    got=''
    for suite in $debian_suites; do
        for base in $(apt_bases); do
            if { fetch_packages "$work/crit" "$base" "$suite" python3-pycriu && finish_crit "$work/crit"; } >"$work/log" 2>&1 </dev/null; then
                got=yes
                break 2
            fi
        done
    done
    if [ -n "$got" ] && mv -T "$work/crit" "$tools/crit" 2>/dev/null; then
        say crit "private copy in $(short "$tools/crit")"
    else
        say crit "could not be fetched; tests against it are skipped ($(grep -m 1 '^E: ' "$work/log" || tail -n 1 "$work/log"))"
    fi
    close_work
}

# dotnet-dump, which the tests open cores of .NET with. They do without it where no package feed has it.
find_dotnet_dump() {
    if [ -x "$tools/dotnet-dump/bin/dotnet-dump" ]; then return; fi
    mkdir -p "$tools/dotnet"
    if [ -d "${HOME:-}/.nuget" ]; then ln -sfn "$HOME/.nuget" "$tools/dotnet/.nuget"; fi
    DOTNET_CLI_HOME=$tools/dotnet NUGET_PACKAGES=$tools/nuget timeout 300 \
        dotnet tool install dotnet-dump --tool-path "$tools/dotnet-dump/bin" >"$tools/dotnet-dump.log" 2>&1 </dev/null || true
    if [ -x "$tools/dotnet-dump/bin/dotnet-dump" ]; then
        rm -f "$tools/dotnet-dump.log"
        say dotnet-dump ".NET tool in $(short "$tools")"
    else
        say dotnet-dump "could not be fetched; tests with it are skipped ($(short "$tools/dotnet-dump.log"))"
    fi
}

# ---------------------------------------------------------------- the programs that single tests want

# The programs of tests/programs.txt that are missing, with their packages: a line each.
missing_programs() {
    while read -r program packages _; do
        case $program in '' | '#'*) continue ;; esac
        if [ "$packages" != - ] && ! have "$program"; then printf '%s %s\n' "$program" "$packages"; fi
    done <tests/programs.txt
}

install_programs() {
    missing=$(missing_programs)
    if [ -z "$missing" ]; then
        say tests 'all programs of tests/programs.txt are here'
        return
    fi
    names=$(printf '%s\n' "$missing" | cut -d ' ' -f 1 | tr '\n' ' ')
    packages=$(printf '%s\n' "$missing" | cut -d ' ' -f 2 | tr ',' '\n' | sort -u | tr '\n' ' ')
    have apt-get || die "--with-programs installs Debian's packages with apt-get, which is not here." "What the tests want: $names"
    is_root || die '--with-programs installs packages, which needs root.'
    say tests "installing ${packages}for $names"
    log=$tools/programs.log
    {
        apt-get -q update || true
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $packages
    } >"$log" 2>&1 </dev/null || die "apt-get could not install them ($(short "$log")):" "$(grep -m 1 '^E: ' "$log" || tail -n 1 "$log")"
    missing=$(missing_programs | cut -d ' ' -f 1 | tr '\n' ' ')
    if [ -n "$missing" ]; then die "after installing, these are still not on the PATH: $missing"; fi
    rm -f "$log"
}

# ---------------------------------------------------------------- .NET and PowerShell

find_dotnet() {
    have dotnet || die "the .NET $sdk_wanted SDK is needed, and there is no dotnet on the PATH." \
        'Debian and Ubuntu: package dotnet-sdk-10.0; elsewhere: https://dot.net/download'
    version=$(dotnet --version 2>/dev/null) || version=''
    if [ -z "$version" ] || ! at_least "$version" "$sdk_wanted"; then
        die "the .NET $sdk_wanted SDK is needed; $(command -v dotnet) offers ${version:-no SDK that serves}."
    fi
    say dotnet "$version, $(command -v dotnet)"
}

pwsh_version() { "$1" --version 2>/dev/null </dev/null | sed -n 's/^PowerShell //p'; }

# 'dotnet tool restore' with all it keeps in .tools. A home of its own, since it remembers where a tool is by the tool's
# version alone, and would send this checkout to another's; but with the user's package feeds, which are in the home too.
restore_tools() {
    mkdir -p "$tools/bin" "$tools/dotnet" || return 1
    if [ -d "${HOME:-}/.nuget" ]; then ln -sfn "$HOME/.nuget" "$tools/dotnet/.nuget" || return 1; fi
    DOTNET_CLI_HOME=$tools/dotnet NUGET_PACKAGES=$tools/nuget timeout 300 dotnet tool restore </dev/null
}

# The newest PowerShell of the line, for a feed that no longer has the pinned one: a tool of its own, outside the manifest.
install_newest_pwsh() {
    rm -rf "$tools/pwsh"
    DOTNET_CLI_HOME=$tools/dotnet NUGET_PACKAGES=$tools/nuget timeout 300 \
        dotnet tool install PowerShell --version "$pwsh_wanted.*" --tool-path "$tools/pwsh" </dev/null
}

# The pwsh.dll for this system below $1: the package holds one for Windows as well.
unix_assembly() { find "$1" -path '*/unix/pwsh.dll' 2>/dev/null | sort -V | tail -n 1; }

# PowerShell as a .NET tool, at the version that .config/dotnet-tools.json pins or, where no feed has that, the newest of
# its line. The second line of .tools/pwsh.version says what was asked for when the first was what there was.
use_tool_pwsh() {
    pinned=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' .config/dotnet-tools.json)
    pwsh=$tools/bin/pwsh
    version=''
    if [ -x "$pwsh" ] && [ "$(sed -n 2p "$tools/pwsh.version" 2>/dev/null)" = "$pinned" ]; then version=$(pwsh_version "$pwsh"); fi
    if [ -z "$version" ] || [ "$version" != "$(sed -n 1p "$tools/pwsh.version")" ]; then
        assembly=''
        if restore_tools >"$tools/pwsh.log" 2>&1; then
            assembly=$(unix_assembly "$tools/nuget/powershell/$pinned/tools")
        elif install_newest_pwsh >>"$tools/pwsh.log" 2>&1; then
            assembly=$(unix_assembly "$tools/pwsh")
        else
            no_pwsh="$path_has, and no package feed in reach has PowerShell $pwsh_wanted"
            return 1
        fi
        if [ -z "$assembly" ]; then
            no_pwsh="$path_has, and the package of PowerShell $pwsh_wanted holds no pwsh.dll for this system"
            return 1
        fi
        cat >"$pwsh.$$" <<WRAPPER
#!/bin/sh
# Runs the PowerShell that build.sh fetched.
self=\$(readlink -f -- "\$0")
exec dotnet "\${self%/bin/pwsh}${assembly#"$tools"}" "\$@"
WRAPPER
        chmod 755 "$pwsh.$$"
        mv "$pwsh.$$" "$pwsh"
        version=$(pwsh_version "$pwsh")
        if [ -z "$version" ]; then
            no_pwsh="$path_has, and the package of PowerShell $pwsh_wanted does not run here"
            return 1
        fi
        # Asked for a line that no feed has, NuGet gives the next one.
        case $version in
            "$pwsh_wanted".*) ;;
            *)
                rm -f "$pwsh"
                no_pwsh="$path_has, and no package feed in reach has PowerShell $pwsh_wanted, only $version"
                return 1
                ;;
        esac
        printf '%s\n%s\n' "$version" "$pinned" >"$tools/pwsh.version"
    fi
    rm -f "$tools/pwsh.log"
    PATH=$tools/bin:$PATH
    export PATH
    if [ "$version" != "$pinned" ]; then path_has="$path_has, and no feed in reach has $pinned"; fi
    say pwsh "$version, .NET tool in $(short "$tools") ($path_has)"
}

find_pwsh() {
    path_has='there is no pwsh on the PATH'
    if pwsh=$(command -v pwsh); then
        version=$(pwsh_version "$pwsh")
        if [ -n "$version" ] && at_least "$version" "$pwsh_wanted"; then
            say pwsh "$version, $pwsh"
            return
        fi
        path_has="$pwsh is ${version:-broken}, not $pwsh_wanted or later"
    fi
    use_tool_pwsh
}

# ---------------------------------------------------------------- what can be done without PowerShell

option_value() {
    wanted=$1
    shift
    while [ $# -gt 1 ]; do
        if [ "$(lower "$1")" = "$wanted" ]; then printf '%s' "$2"; return; fi
        shift
    done
}

without_pwsh() {
    case $task in Build | Test | Demo) ;; *) die "$task needs PowerShell $pwsh_wanted: $no_pwsh." ;; esac
    if [ -n "$only_skipped" ]; then die "--only-skipped needs PowerShell $pwsh_wanted: $no_pwsh."; fi
    configuration=$(option_value -configuration "$@")
    filter=$(option_value -filter "$@")
    set -- -c "${configuration:-Release}"
    status=0
    case $task in
        Build) left_out='the module and its help'; dotnet build PSCrac.slnx "$@" --nologo -v quiet </dev/null || status=$? ;;
        Test)
            left_out='the module and its Pester tests'
            if [ -n "$filter" ]; then set -- "$@" --filter "FullyQualifiedName~$filter"; fi
            dotnet test PSCrac.slnx "$@" --nologo </dev/null || status=$?
            ;;
        Demo) left_out='the same with the cmdlets'; dotnet run --project samples/EngineDemo "$@" </dev/null || status=$? ;;
    esac
    printf '\nleft out: %s (%s)\n' "$left_out" "$no_pwsh"
    return "$status"
}

# ---------------------------------------------------------------- the run

# Neither words for a first run, nor build servers that outlive it.
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_USE_MSBUILD_SERVER=0
export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false
# Nor words to the network from each PowerShell that is started.
export POWERSHELL_TELEMETRY_OPTOUT=1 POWERSHELL_UPDATECHECK=Off

if [ -n "$needs_privilege" ]; then require_privilege; fi
mkdir -p "$tools"
if [ -n "$with_programs" ]; then install_programs; fi
if [ -n "$needs_criu" ] || [ -n "$system" ]; then find_criu; fi
if [ -n "$wants_crit" ]; then find_crit; fi
find_dotnet
if [ "$task" = Test ]; then find_dotnet_dump; fi
if find_pwsh; then
    if [ -n "$require_pwsh" ]; then set -- "$@" -RequirePester; fi
    if [ -n "$with_programs" ]; then set -- "$@" -RequirePrograms; fi
    if [ -n "$only_skipped" ]; then set -- "$@" -OnlySkipped; fi
    exec "$pwsh" -NoLogo -NoProfile -NonInteractive -File build.ps1 -Task "$task" "$@"
fi
if [ -n "$require_pwsh" ]; then die "PowerShell $pwsh_wanted or later is required: $no_pwsh."; fi
say pwsh "none: $no_pwsh"
without_pwsh "$@"
