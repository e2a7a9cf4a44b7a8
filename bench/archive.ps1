#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
How long an export and an import take beside tar and zstd, how much memory, and what is written outside of the target.

.DESCRIPTION
The image is of a process with memory that compresses as a program's does. In each round, in turn: Export-CracImage, tar with zstd, the
program, of the same folder; Import-CracImage, tar and sync. Memory is the growth of a session's peak (VmHWM) over as many exports and
imports, in a session with this machine's processors and in one that is told of 16 (DOTNET_PROCESSOR_COUNT), and so compresses with 16
threads. What is written elsewhere is counted by the kernel: the bytes that the session has written (write_bytes of /proc/self/io) less
the size of the target. The goals are 1.1 times tar's time for an export, 1.15 times for an import, less than 100 MB, and nothing
outside of the target.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 100)]
    [int] $Count = 3,

    [ValidateRange(16, 65536)]
    [int] $Mebibytes = 1024
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module (Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'), (Join-Path $PSScriptRoot 'Shell.psm1')
$folder = [IO.Directory]::CreateTempSubdirectory('pscrac-bench-').FullName
$env:PSCRAC_LOG_ROOT = "$folder/logs"

# Of each MiB a third is random, the rest text: zstd -3 makes about a half of it.
$python = @'
import os, sys, time
part = b"".join(b"object %d of %d\n" % (i * 7919 % 104729, i) for i in range(40000))[:700000]
kept = [os.urandom(348576) + part for _ in range(int(sys.argv[1]))]
print("ready", flush=True)
time.sleep(1000000)
'@

function Read-Field([string] $Path, [string] $Name) {
    [long](([IO.File]::ReadAllLines($Path) -match "^${Name}:")[0] -replace '\D')
}

# Exports and imports in a fresh session, and gives the growth of its peak, in bytes.
$session = @'
    $module, $image, $folder, $count = $args
    Import-Module $module
    $null = Get-CracImage $image
    function Read-Peak { [long](([IO.File]::ReadAllLines('/proc/self/status') -match '^VmHWM:')[0] -replace '\D') * 1024 }
    [IO.File]::WriteAllText('/proc/self/clear_refs', '5')
    $before = Read-Peak
    foreach ($round in 0..$count) {
        $null = Export-CracImage $image "$folder/memory.tar.zst" -Force
        $null = Import-CracImage "$folder/memory.tar.zst" -ImagePath "$folder/memory" -Force
    }
    (Read-Peak) - $before
'@

function Measure-Memory([int] $Processors) {
    $env:DOTNET_PROCESSOR_COUNT = "$Processors"
    try {
        [long](Invoke-FreshPwsh '-File', "$folder/session.ps1", "$PSScriptRoot/../out/PSCrac/PSCrac.psd1", "$folder/image", $folder, $Count)
    }
    finally {
        $env:DOTNET_PROCESSOR_COUNT = $null
    }
}

function Measure-Step([scriptblock] $Step) {
    & sync
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $null = & $Step
    $watch.Elapsed.TotalSeconds
}

$id = 0
try {
    $id = [int](& sh -c 'cd "$1"; setsid python3 -c "$2" "$3" </dev/null >out 2>err & echo $!' sh $folder $python $Mebibytes)
    while (-not (Select-String -LiteralPath "$folder/out" -Pattern '^ready' -Quiet)) { Start-Sleep -Milliseconds 50 }
    $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/image"
    $id = 0
    [IO.File]::WriteAllText("$folder/session.ps1", $session)
    $elsewhere = @()
    $times = @{ export = @(); tar = @(); import = @(); untar = @() }
    foreach ($round in 0..$Count) {
        $written = Read-Field /proc/self/io write_bytes
        $export = Measure-Step { Export-CracImage $image.Path "$folder/own.tar.zst" -Force }
        $import = Measure-Step { Import-CracImage "$folder/own.tar.zst" -ImagePath "$folder/own" }
        $targets = (Get-Item "$folder/own.tar.zst").Length + (Get-ChildItem "$folder/own" | Measure-Object Length -Sum).Sum
        # The kernel counts whole pages.
        $beside = [Math]::Max(0, (Read-Field /proc/self/io write_bytes) - $written - $targets - 4096 * 64)
        $tar = Measure-Step { & tar -C $folder -I 'zstd -T0 -3' -cf "$folder/tar.tar.zst" image; & sync "$folder/tar.tar.zst" }
        $null = New-Item -ItemType Directory "$folder/untar"
        $untar = Measure-Step { & tar -C "$folder/untar" --zstd -xf "$folder/tar.tar.zst"; & sync }
        Remove-Item -Recurse "$folder/own", "$folder/untar"
        # The first round finds code that is not compiled yet, and is not counted.
        if ($round) {
            $elsewhere += $beside; $times.export += $export; $times.import += $import; $times.tar += $tar; $times.untar += $untar
        }
    }
    $processors = @([Environment]::ProcessorCount, 16 | Sort-Object -Unique)
    $peaks = @(foreach ($each in $processors) { Measure-Memory $each })
    $row = {
        param($name, $own, $other, $goal)
        $a, $b = (Get-Median $times[$own]), (Get-Median $times[$other])
        [pscustomobject]@{ What = $name; PSCrac = [Math]::Round($a, 2); tar = [Math]::Round($b, 2); ratio = [Math]::Round($a / $b, 2); goal = $goal }
    }
    "Seconds, medians of $Count rounds; an image of $([Math]::Round($image.Size / 1MB)) MiB; $([Environment]::ProcessorCount) processors"
    @(
        & $row 'export' export tar 1.1
        & $row 'import' import untar 1.15
        foreach ($i in 0..($processors.Count - 1)) {
            [pscustomobject]@{ What = "memory with $($processors[$i]) threads, MB"; PSCrac = [Math]::Round($peaks[$i] / 1MB); tar = $null; ratio = $null; goal = 100 }
        }
        [pscustomobject]@{ What = 'bytes written elsewhere'; PSCrac = Get-Median $elsewhere; tar = $null; ratio = $null; goal = 0 }
    ) | Format-Table -AutoSize | Out-String -Width 120
}
finally {
    if ($id) { Stop-Process -Id $id -Force -ErrorAction Ignore }
    Remove-Item -LiteralPath $folder -Recurse -Force
}
