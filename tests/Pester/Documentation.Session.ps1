<#
.SYNOPSIS
Runs the blocks of a plan as they stand, in turn, and prints what a terminal of 80 columns would show of each.

.DESCRIPTION
Run by Documentation.psm1 in namespaces of their own. Before the first block it makes the world of the plan, for which
there are the functions here.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)]
    [string] $Plan,

    [Parameter(Mandatory)]
    [string] $Criu
)

$PSStyle.OutputRendering = 'PlainText'
$ProgressPreference = 'SilentlyContinue'
$env:CRAC_CRIU_PATH = $Criu
$checkout = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
# Installed, as far as the examples can tell.
$env:PSModulePath = "$checkout/out$([IO.Path]::PathSeparator)$env:PSModulePath"

# The programs are found by name and, some, as ./name in the current folder, as the examples have them.
$standIn = "$checkout/samples/StandIn/bin/Release/net10.0/standin"
$bin = "$(Split-Path $Plan)/bin"
foreach ($name in 'java', 'node', 'shop', 'batch', 'db', 'postgres', 'client') {
    $null = New-Item -ItemType SymbolicLink -Path "$bin/$name" -Value $standIn
}
$null = New-Item -ItemType SymbolicLink -Path "$bin/worker", './worker', "$bin/server", './server' -Value $standIn
$null = New-Item -ItemType SymbolicLink -Path "$bin/counter", './counter' -Value "$checkout/samples/Counter/bin/Release/net10.0/counter"
$null = New-Item -ItemType SymbolicLink -Path "$bin/criu" -Value $Criu
$null = New-Item -ItemType File -Path './app.jar'

# Starts a program without a terminal; with -Id, as the process of that id.
function Start-StandIn([string] $Name, [string[]] $ArgumentList = @(), [int] $Id) {
    $last = $Id ? $Id - 1 : ''
    $started = [int](sh -c 'if [ "$1" ]; then echo "$1" >/proc/sys/kernel/ns_last_pid; fi; shift; setsid "$@" </dev/null >/dev/null 2>&1 & echo $!' sh $last $Name @ArgumentList)
    if ($Id -and $started -ne $Id) { throw "$Name became process $started" }
    # Until setsid has handed over to the program, and .NET to its.
    while ((Get-Content "/proc/$started/comm") -eq 'setsid' -or
        ($Name -notin 'sh', 'bash' -and -not [IO.File]::ReadAllText("/proc/$started/maps").Contains('libSystem.Native'))) {
        [Threading.Thread]::Sleep(10)
    }
    [Threading.Thread]::Sleep(100)
    $started
}

# Starts a program and checkpoints it to a path, or to a name under the image root.
function New-StandInImage([string] $Image, [string] $Name = 'counter', [string[]] $ArgumentList = @(), [int] $Id, [switch] $LeaveRunning) {
    $target = $Image.Contains('/') ? @{ ImagePath = $Image } : @{ ImageName = $Image }
    $null = Start-StandIn $Name $ArgumentList -Id $Id | ForEach-Object { Invoke-CracCheckpoint -Id $_ @target -LeaveRunning:$LeaveRunning -ErrorAction Stop }
}

# Has a program get SIGTERM once a file is there.
function Stop-Later([string] $Name, [string] $Path) {
    $script = 'until [ -e "$2" ]; do sleep 0.1; done; sleep 1; for p in /proc/[0-9]*; do if [ "$(cat $p/comm)" = "$1" ]; then kill ${p#/proc/}; fi; done'
    sh -c "($script) </dev/null >/dev/null 2>&1 &" sh $Name $Path
}

# Lets a batch end once it has been checkpointed, is back, and is waited for.
function Complete-Later([string] $Name, [string] $Path) {
    # The restored one has started later (proc(5): the 20th word behind the name), however short the time without any was.
    $script = 'started() { for p in /proc/[0-9]*; do if [ "$(cat $p/comm 2>/dev/null)" = "$1" ]; then sed "s/.*) //" $p/stat | cut -d " " -f 20; fi; done; }
        first=$(started "$1"); until [ -e "$2" ]; do sleep 0.1; done
        until now=$(started "$1") && [ "$now" ] && [ "$now" != "$first" ]; do sleep 0.1; done; sleep 5; : >done'
    sh -c "($script) </dev/null >/dev/null 2>&1 &" sh $Name $Path
}

# A podman that exports ./cr as the container's checkpoint.
function New-PodmanStandIn {
    Set-Content -LiteralPath "$bin/podman" -Value @'
#!/bin/sh
# podman container checkpoint --export FILE --compress gzip NAME
mkdir -p box/checkpoint
cp cr/*.img box/checkpoint
cp cr/stats-dump box
printf '{"id":"0123456789abcdef","name":"%s","rootfsImageName":"localhost/box:latest","runtime":"runc"}' "$7" >box/config.dump
echo '{"ociVersion":"1.0.2"}' >box/spec.dump
tar -C box -czf "$4" .
'@
    chmod +x "$bin/podman"
}

# A systemctl that starts a service as its unit has it, and returns once it has an image; and units for it, which systemd verifies where
# it is installed.
function New-SystemctlStandIn {
    $global:PSDefaultParameterValues['Register-CracService:UnitDirectory'] = '/run/units'
    Set-Content -LiteralPath "$bin/systemctl" -Value @'
#!/bin/sh
# systemctl start NAME
unit=/run/units/$2.service
if command -v systemd-analyze >/dev/null; then systemd-analyze verify "$unit" || exit; fi
sh -c "exec $(sed -n 's/^ExecStart=//p' "$unit")" </dev/null >/dev/null 2>&1 &
until ls /var/lib/pscrac/images/"$2"/*/pscrac.json >/dev/null 2>&1; do sleep 0.1; done
'@
    chmod +x "$bin/systemctl"
}

# An ssh to another host, which has folders of its own, and shares the rest with this one.
function New-FarStandIn {
    # Where PowerShell is a .NET tool, it is dotnet and an assembly.
    $program = [Environment]::ProcessPath
    $words = [IO.Path]::GetFileName($program) -eq 'dotnet' ? "$program $PSHOME/pwsh.dll" : $program
    Set-Content -LiteralPath "$bin/pwsh" -Value "#!/bin/sh`nexec $words `"`$@`""
    chmod +x "$bin/pwsh"
    Set-Content -LiteralPath "$bin/ssh" -Value @'
#!/bin/sh
# ssh OPTIONS [--] HOST COMMAND...
while :; do
    case $1 in
        --) shift; break ;;
        -[Tx]) shift ;;
        -*) shift 2 ;;
        *) break ;;
    esac
done
shift
export PSCRAC_STATE_ROOT=/srv/far
exec sh -c "$*"
'@
    chmod +x "$bin/ssh"
}

$read = Get-Content -LiteralPath $Plan -Raw | ConvertFrom-Json
try {
    $null = . ([scriptblock]::Create($read.World))
}
catch {
    "the world could not be made: $_"
    exit 97
}

$number = 0
foreach ($block in $read.Block) {
    $number++
    [Console]::Out.WriteLine("#### block $number")
    if ($block.Language -eq 'sh') {
        Set-Content -LiteralPath "/run/block$number.sh" -Value $block.Text
        sh "/run/block$number.sh" 2>&1 | Out-String -Width 80
        if ($LASTEXITCODE) { "#### error exit code $LASTEXITCODE" }
        continue
    }
    $said = [Collections.Generic.List[object]]::new()
    $global:LASTEXITCODE = 0
    try {
        . ([scriptblock]::Create($block.Text)) *>&1 | ForEach-Object {
            $said.Add($_ -is [Management.Automation.WarningRecord] ? "WARNING: $_" : $_)
        }
    }
    catch {
        $said.Add($_)
    }
    $said | Out-String -Width 80 -Stream | ForEach-Object TrimEnd
    if ($LASTEXITCODE) { "#### error exit code $LASTEXITCODE" }
    foreach ($record in $said) {
        # What a program says on its standard error is no error.
        if ($record -is [Management.Automation.ErrorRecord] -and $record.FullyQualifiedErrorId -notlike 'NativeCommandError*') { "#### error $($record.FullyQualifiedErrorId): $("$record" -replace '\s+', ' ')" }
    }
}
