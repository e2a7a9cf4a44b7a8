#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
The two cmdlets beside plain criu, doing the same to the same small process in turn.

.DESCRIPTION
Prints medians of wall times in milliseconds, with the quartiles, and the ratio of the cmdlets' medians to plain criu's. Plain criu runs as its
manual shows it, timed by a shell around it; the cmdlets run within this session, without the sync of the image, whose
cost is a column of its own. Waiting for the killed process's pid to become free is not counted on either side.

criu's first breakpoint has the kernel switch its events on, which takes 8 ms or more. They stay on until a second after the last
breakpoint was closed, and a restored process keeps its breakpoints as long as it lives. So a dump is that of a process which was
just started, as most are, after a pause in which no restored one lives; "dump again" is that of the restored process, where both
sides find it done.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 1000)]
    [int] $Count = 20
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module (Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'), (Join-Path $PSScriptRoot 'Shell.psm1')
$criu = (Test-CracEnvironment | Where-Object Name -EQ criu).Detail -replace '^\S+ at (.*) \(from .*\)$', '$1'
$folder = Join-Path ([IO.Path]::GetTempPath()) "pscrac-bench-$PID"
$env:PSCRAC_LOG_ROOT = Join-Path $folder 'logs'

# Times a command with a shell's own clock, so that nothing of PowerShell's way to start programs is counted.
$timed = 's=$EPOCHREALTIME; "$@" >/dev/null 2>&1 || exit; e=$EPOCHREALTIME; echo $(( ${e/./} - ${s/./} ))'

# The kernel's scheduler hooks for events stay on for a second after the last one (perf_sched_delayed in kernel/events/core.c).
$pause = 1500

function Measure-Plain([string[]] $Argument) {
    $microseconds = & bash -c $timed bash $criu @Argument
    if (-not $microseconds) {
        throw "criu $Argument failed."
    }
    [long]$microseconds / 1000
}

function Measure-Cmdlet([scriptblock] $Command) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $null = & $Command
    $watch.Elapsed.TotalMilliseconds
}

function Start-Sleeper {
    [int](& sh -c 'setsid sleep 1000000 </dev/null >/dev/null 2>&1 & echo $!')
}

function Wait-Gone([int] $Id) {
    while (Test-Path -LiteralPath "/proc/$Id") {
        Start-Sleep -Milliseconds 5
    }
}

$times = @{}
foreach ($name in 'plain dump', 'plain dump again', 'plain restore', 'dump', 'dump again', 'dump synced', 'restore') {
    $times[$name] = [Collections.Generic.List[double]]::new()
}
$null = New-Item -ItemType Directory -Path $folder
$id = 0
try {
    # The first round of each finds cold files and code that is not compiled yet, and is not counted.
    foreach ($round in 0..$Count) {
        Write-Progress -Activity 'Round trips' -Status "$round of $Count" -PercentComplete (100 * $round / $Count)
        $sample = @{}
        $id = Start-Sleeper
        foreach ($kind in 'plain dump', 'plain dump again') {
            $plain = Join-Path $folder "$kind$round"
            Start-Sleep -Milliseconds $pause
            $null = New-Item -ItemType Directory -Path $plain
            $sample[$kind] = Measure-Plain dump, '-t', $id, '-D', $plain, '-o', 'dump.log'
            Wait-Gone $id
            $sample['plain restore'] = Measure-Plain restore, '-d', '-D', $plain, '-o', 'restore.log'
        }
        foreach ($kind in 'dump', 'dump again', 'dump synced') {
            if ($kind -ne 'dump again') {
                Stop-Process -Id $id
                Wait-Gone $id
                $id = Start-Sleeper
            }
            $image = Join-Path $folder "$kind$round"
            Start-Sleep -Milliseconds $pause
            $sample[$kind] = Measure-Cmdlet { Invoke-CracCheckpoint -Id $id -ImagePath $image -NoSync:($kind -ne 'dump synced') -PidTimeout 0 }
            Wait-Gone $id
            $sample['restore'] = Measure-Cmdlet { Restore-CracProcess $image }
        }
        Stop-Process -Id $id
        Wait-Gone $id
        if ($round -gt 0) {
            foreach ($name in $sample.Keys) {
                $times[$name].Add($sample[$name])
            }
        }
        Remove-Item -Path $folder/* -Recurse -Force
    }
}
finally {
    Write-Progress -Activity 'Round trips' -Completed
    if ($id) { Stop-Process -Id $id -ErrorAction Ignore }
    Remove-Item -LiteralPath $folder -Recurse -Force
}

$median = @{}
$spread = @{}
foreach ($name in $times.Keys) {
    $median[$name] = Get-Median $times[$name]
    $spread[$name] = '{0:0.0}-{1:0.0}' -f (Get-Quantile $times[$name] 0.25), (Get-Quantile $times[$name] 0.75)
}
$rows = foreach ($what in 'dump', 'dump again', 'restore') {
    [pscustomobject]@{
        Operation = $what
        'criu ms' = [Math]::Round($median["plain $what"], 1)
        'Quartiles' = $spread["plain $what"]
        'PSCrac ms' = [Math]::Round($median[$what], 1)
        'Its quartiles' = $spread[$what]
        Ratio = [Math]::Round($median[$what] / $median["plain $what"], 2)
        'Sync ms' = $what -eq 'dump' ? [Math]::Round($median['dump synced'] - $median['dump'], 1) : $null
    }
}
$both = [Math]::Round(($median['dump'] + $median['restore']) / ($median['plain dump'] + $median['plain restore']), 2)
$cache = (Test-CracEnvironment | Where-Object Name -EQ 'feature cache').IsAvailable ? 'with' : 'without'
"A round trip of one small process, median of $Count, alternating, $cache criu's feature cache; ratio of both together: $both"
$rows | Format-Table | Out-String -Width 80
