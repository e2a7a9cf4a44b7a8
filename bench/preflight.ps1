#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
What it costs to look first: at a process before its checkpoint, at an image before its restore.

.DESCRIPTION
Prints, for programs of some kinds, milliseconds: Test-CracProcess and Test-CracImage as the first call of a fresh session,
whose code is not compiled yet, and as the median of many calls; and what the look adds to a checkpoint and to a restore, as
the difference of medians with and without it (-NoAutoOption, -SkipPreflight), in turn. The target for a typical process, in
a warm session, is 10 ms.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 1000)]
    [int] $Count = 20
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$module = Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'
Import-Module $module, (Join-Path $PSScriptRoot 'Shell.psm1')
$folder = Join-Path ([IO.Path]::GetTempPath()) "pscrac-bench-$PID"
$env:PSCRAC_LOG_ROOT = Join-Path $folder 'logs'

$python = @'
import fcntl, os, socket, threading, time
f = open("lock", "w"); fcntl.flock(f, fcntl.LOCK_EX)
s = socket.create_server(("127.0.0.1", 0))
files = [open("/etc/passwd") for _ in range(40)]
pipes = [os.pipe() for _ in range(10)]
for _ in range(4): threading.Thread(target=time.sleep, args=(1000000,), daemon=True).start()
print("ready", flush=True)
time.sleep(1000000)
'@
$java = 'class Main { public static void main(String[] a) throws Exception { new java.net.ServerSocket(0, 5, java.net.InetAddress.getLoopbackAddress()); System.out.println("ready"); Thread.sleep(1000000000L); } }'
# Other JVMs remove the file of performance data of one that is not there, which would stop its restore.
$kinds = [ordered]@{
    'sleep'                                       = 'sh', '-c', 'echo ready; exec sleep 1000000'
    'python: a lock, a port, 5 threads, 60 files' = 'python3', '-c', $python
    'tree of 50 processes'                        = 'sh', '-c', 'for i in $(seq 49); do sleep 1000000 & done; echo ready; wait'
    'java with a port'                            = 'java', '-XX:-UsePerfData', 'Main.java'
}

function Measure-Call([scriptblock] $Command) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $null = & $Command
    $watch.Elapsed.TotalMilliseconds
}

function Measure-First([string] $Command) {
    # Within the fresh session, so that its own start is not counted, nor the import.
    $script = "Import-Module '$module'; `$w = [Diagnostics.Stopwatch]::StartNew(); `$null = $Command; `$w.Elapsed.TotalMilliseconds"
    [double](Invoke-FreshPwsh '-Command', $script)
}

# Starts a program in a session of its own, with none of ours open, and waits until it has said that it is ready.
function Start-Subject([string[]] $Command) {
    $work = (New-Item -ItemType Directory -Path (Join-Path $folder ([guid]::NewGuid()))).FullName
    Set-Content -LiteralPath "$work/Main.java" -Value $java
    $start = 'cd "$1"; shift; setsid "$@" </dev/null >out 2>err & echo $!'
    $id = [int](& sh -c $start sh $work @Command)
    while (-not (Select-String -LiteralPath "$work/out" -Pattern '^ready' -Quiet)) {
        if (-not (Test-Path -LiteralPath "/proc/$id")) {
            throw "$Command ended: $(Get-Content -LiteralPath "$work/err" -Raw)"
        }
        Start-Sleep -Milliseconds 20
    }
    $id
}

# Whoever reaps them takes its time, which is not to be counted.
function Wait-Gone([int[]] $Id) {
    foreach ($each in $Id) {
        while (Test-Path -LiteralPath "/proc/$each") {
            Start-Sleep -Milliseconds 5
        }
    }
}

function Stop-Subject([int] $Id) {
    $tree = @($Id) + @(& ps -o pid= --ppid $Id | ForEach-Object { [int]$_ })
    Stop-Process -Id $tree -Force -ErrorAction Ignore
    Wait-Gone $tree
}

$rows = [Collections.Generic.List[object]]::new()
$null = New-Item -ItemType Directory -Path $folder
$id = 0
try {
    foreach ($kind in $kinds.Keys) {
        if (-not (Get-Command $kinds[$kind][0] -CommandType Application -ErrorAction Ignore)) {
            Write-Warning "$($kinds[$kind][0]) is not there: $kind is left out."
            continue
        }
        Write-Progress -Activity 'Looking first' -Status $kind
        $id = Start-Subject $kinds[$kind]
        $image = Join-Path $folder 'image'
        $null = Invoke-CracCheckpoint -Id $id -ImagePath $image -NoSync
        $firstImage = Measure-First "Test-CracImage '$image'"
        $null = Restore-CracProcess $image
        $firstProcess = Measure-First "Test-CracProcess $id"
        # A restore needs the options that only a look chooses; they are given where it is turned off.
        $options = @{}
        foreach ($choice in Test-CracProcess $id | Where-Object IsAutomatic) {
            $options[($choice.CriuOption -split '-' | ForEach-Object { (Get-Culture).TextInfo.ToTitleCase($_) }) -join ''] = $true
        }
        $times = @{}
        foreach ($round in 0..$Count) {
            $sample = @{
                'process' = Measure-Call { Test-CracProcess $id }
                'image'   = Measure-Call { Test-CracImage $image }
            }
            foreach ($look in $true, $false) {
                $suffix = $look ? 'looked' : 'blind'
                $switch = $look ? @{} : $options + @{ NoAutoOption = $true }
                $tree = @($id) + @(& ps -o pid= --ppid $id | ForEach-Object { [int]$_ })
                $sample["checkpoint $suffix"] = Measure-Call { Invoke-CracCheckpoint -Id $id -ImagePath $image -Force -NoSync -PidTimeout 0 @switch }
                Wait-Gone $tree
                $sample["restore $suffix"] = Measure-Call { Restore-CracProcess $image -SkipPreflight:(-not $look) }
            }
            # The first round finds code that is not compiled yet, and is not counted.
            if ($round -gt 0) {
                foreach ($name in $sample.Keys) {
                    if (-not $times.ContainsKey($name)) { $times[$name] = [Collections.Generic.List[double]]::new() }
                    $times[$name].Add($sample[$name])
                }
            }
        }
        Stop-Subject $id
        $id = 0
        Remove-Item -LiteralPath $image -Recurse -Force
        $median = @{}
        foreach ($name in $times.Keys) { $median[$name] = Get-Median $times[$name] }
        $rows.Add([pscustomobject]@{
                Program           = $kind
                'Process 1st'     = [Math]::Round($firstProcess)
                'Process'         = [Math]::Round($median['process'], 1)
                'Checkpoint'      = [Math]::Round($median['checkpoint looked'], 1)
                'of it looking'   = [Math]::Round($median['checkpoint looked'] - $median['checkpoint blind'], 1)
                'Image 1st'       = [Math]::Round($firstImage)
                'Image'           = [Math]::Round($median['image'], 1)
                'Restore'         = [Math]::Round($median['restore looked'], 1)
                'of it comparing' = [Math]::Round($median['restore looked'] - $median['restore blind'], 1)
            })
    }
}
finally {
    Write-Progress -Activity 'Looking first' -Completed
    if ($id) { Stop-Subject $id }
    Remove-Item -LiteralPath $folder -Recurse -Force
}

"Milliseconds, medians of $Count in a warm session; 1st: the first call of a fresh session"
$rows | Format-Table -AutoSize | Out-String -Width 160
