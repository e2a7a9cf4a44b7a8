#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
A process of a gigabyte, restored at once and lazily: how long until its first instruction, and until all of it is there.

.DESCRIPTION
The process, in Python, notes the time again and again; what it notes first after a restore is its first instruction. All
times count from the start of the cmdlet, or of plain criu by a shell. The ways take turns; medians in milliseconds. A
first round, with cold files and code, is not counted.

CPU is the time of criu and, with lazy pages, of what brings them, without that of the process itself: a mean, since the
kernel counts it in hundredths of a second. Memory is the peak of what brings the pages, the sum of its processes.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 1000)]
    [int] $Count = 5,

    # How much memory the process has, in MiB.
    [ValidateRange(16, 65536)]
    [int] $Size = 1024
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

if (-not (Get-Command -Name python3 -CommandType Application -ErrorAction Ignore)) {
    'left out: the process is written in Python, and there is no python3 on the PATH'
    return
}

Import-Module (Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'), (Join-Path $PSScriptRoot 'Shell.psm1')
$rows = Test-CracEnvironment
$criu = ($rows | Where-Object Name -EQ criu).Detail -replace '^\S+ at (.*) \(from .*\)$', '$1'
$cache = ($rows | Where-Object Name -EQ 'feature cache').IsAvailable ? 'with' : 'without'
$folder = Join-Path ([IO.Path]::GetTempPath()) "pscrac-lazy-$PID"
$env:PSCRAC_LOG_ROOT = Join-Path $folder 'logs'
$image = Join-Path $folder 'image'
$notes = Join-Path $folder 'notes'

# It notes the time where more than 20 ms have passed since it last looked, as they have after a restore.
$program = @'
import os, sys, time
big = bytearray(int(sys.argv[2]) << 20)
for i in range(0, len(big), 4096):
    big[i:i + 8] = i.to_bytes(8, "little")
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(notes, b"ready\n")
last = time.time_ns()
while True:
    now = time.time_ns()
    if now - last > 20_000_000:
        os.write(notes, b"%d\n" % now)
    last = now
    time.sleep(0.001)
'@

function Wait-Note {
    while (-not ($lines = @(Get-Content -LiteralPath $notes))) { Start-Sleep -Milliseconds 5 }
    $lines[0]
}

# Of all children that have ended (proc_pid_stat(5), fields 16 and 17), in hundredths of a second.
function Get-ChildTime {
    $fields = (Get-Content -LiteralPath '/proc/self/stat' -Raw).Split(') ')[-1].Split(' ')
    [long] $fields[13] + [long] $fields[14]
}

# Of the children that run, in MiB.
function Get-ChildPeak {
    $sum = 0
    foreach ($task in Get-ChildItem -LiteralPath '/proc/self/task') {
        foreach ($child in -split (Get-Content -LiteralPath "$task/children" -Raw -ErrorAction Ignore) -ne '') {
            if ((Get-Content -LiteralPath "/proc/$child/status" -Raw -ErrorAction Ignore) -match 'VmHWM:\s+(\d+)') { $sum += [long] $Matches[1] }
        }
    }
    $sum / 1KB
}

# Each restores, and gives how long it took in milliseconds until all pages were there, from the start on.
$ways = [ordered]@{
    'criu'              = {
        & $criu restore -d -D $image -o restore.log 2>$null
        $watch.Elapsed.TotalMilliseconds
    }
    'PSCrac'            = {
        $null = Restore-CracProcess -LiteralPath $image
        $watch.Elapsed.TotalMilliseconds
    }
    'PSCrac -LazyPages' = {
        $restored = Restore-CracProcess -LiteralPath $image -LazyPages
        # In the round that is not counted, which this would disturb.
        while ($round -eq 0 -and $restored.LazyPages.State -eq 'InProgress') { $script:peak = [Math]::Max($peak, (Get-ChildPeak)) }
        if (-not $restored.LazyPages.WaitForAll([timespan]::FromMinutes(5))) { throw 'the pages did not come' }
        $watch.Elapsed.TotalMilliseconds
    }
}

$peak = 0
$null = New-Item -ItemType Directory -Path $folder
Set-Content -LiteralPath (Join-Path $folder 'big.py') $program
# Not a version manager's script in front of it.
$python = & python3 -c 'import sys; print(sys.executable)'
$process = Start-CracProcess $python -ArgumentList (Join-Path $folder 'big.py'), $notes, $Size -ReadyScript { Test-Path -LiteralPath $notes }
try {
    $null = Invoke-CracCheckpoint -Id $process.Id -ImagePath $image -NoSync
    $samples = @{}
    foreach ($way in $ways.Keys) { $samples[$way] = [Collections.Generic.List[object]]::new() }
    foreach ($round in 0..$Count) {
        Write-Progress -Activity 'Restoring a big process' -Status "$round of $Count" -PercentComplete (100 * $round / $Count)
        # There and back, since each finds the memory as the one before it left it.
        $turn = @($ways.Keys)
        if ($round % 2) { [array]::Reverse($turn) }
        foreach ($way in $turn) {
            Set-Content -LiteralPath $notes '' -NoNewline
            # The kernel's scheduler hooks for events, which criu's breakpoints need, stay on for a second after the last one.
            Start-Sleep -Milliseconds 1500
            $start = [DateTime]::UtcNow.Ticks
            $watch = [Diagnostics.Stopwatch]::StartNew()
            $time = Get-ChildTime
            $all = & $ways[$way]
            $time = (Get-ChildTime) - $time
            $first = ([DateTime]::UnixEpoch.Ticks + [long](Wait-Note) / 100 - $start) / [timespan]::TicksPerMillisecond
            if ($round -gt 0) { $samples[$way].Add([pscustomobject]@{ First = $first; All = $all; Processor = 10 * $time }) }
            Stop-Process -Id $process.Id -Force
            while (Test-Path -LiteralPath "/proc/$($process.Id)") { Start-Sleep -Milliseconds 5 }
        }
    }
}
finally {
    Write-Progress -Activity 'Restoring a big process' -Completed
    if (Test-Path -LiteralPath "/proc/$($process.Id)") { Stop-Process -Id $process.Id -Force }
    Remove-Item -LiteralPath $folder -Recurse -Force
}

"A process of $Size MiB, medians of $Count restores in ms, $cache criu's feature cache, load $((Get-Content /proc/loadavg).Split(' ')[0])"
foreach ($way in $ways.Keys) {
    [pscustomobject]@{
        Restore             = $way
        'First instruction' = [Math]::Round((Get-Median $samples[$way].First), 1)
        'All pages in'      = [Math]::Round((Get-Median $samples[$way].All), 1)
        'CPU'               = [Math]::Round(($samples[$way].Processor | Measure-Object -Average).Average, 1)
        'Memory, MiB'       = $way -match 'Lazy' ? [Math]::Round($peak, 1) : 0
    }
}
