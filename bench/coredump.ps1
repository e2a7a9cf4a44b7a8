#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
How long Export-CracCoreDump takes, and how much memory, for a small image and a large one; beside criu-coredump, if its path is given.

.DESCRIPTION
The images are of Python processes with memory that has no page of zeros. Each core is written once before it is timed, so that the image
is in the page cache; the file of the round before is removed first. Memory is the growth of the session's peak (VmHWM) over all
rounds. The goals are 0.3 s for 58 MiB, 0.8 s for 1.5 GB, and 50 MB.

criu-coredump is a Python script of criu's source tree, and in no package. It is compared on an image of its own, of one thread and no
shared memory, and so small that it finishes: it takes longer the more pages there are, by the square. The goal is 50 times as long.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 100)]
    [int] $Count = 5,

    # The sizes of the processes' memory in MiB.
    [int[]] $Mebibytes = @(48, 1420),

    # The path of criu-coredump, a program that takes -i IMAGE -o FOLDER.
    [string] $CriuCoredump
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module (Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'), (Join-Path $PSScriptRoot 'Shell.psm1')
$folder = [IO.Directory]::CreateTempSubdirectory('pscrac-bench-').FullName
$env:PSCRAC_LOG_ROOT = "$folder/logs"

$python = @'
import os, sys, time
kept = [os.urandom(1 << 20) for _ in range(int(sys.argv[1]))]
print("ready", flush=True)
time.sleep(1000000)
'@

function Read-Peak { [long](([IO.File]::ReadAllLines('/proc/self/status') -match '^VmHWM:')[0] -replace '\D') }

$id = 0
try {
    $images = foreach ($size in @($Mebibytes) + @(if ($CriuCoredump) { 1 })) {
        $id = [int](& sh -c 'cd "$1"; setsid python3 -c "$2" "$3" </dev/null >out 2>err & echo $!' sh $folder $python $size)
        while (-not (Select-String -LiteralPath "$folder/out" -Pattern '^ready' -Quiet)) { Start-Sleep -Milliseconds 50 }
        Invoke-CracCheckpoint -Id $id -ImagePath "$folder/image$size" -NoSync
        $id = 0
    }

    # What the first export of a session loads and compiles is not of the images.
    $null = Export-CracCoreDump $images[0].Path "$folder/core" -Force
    [GC]::Collect()
    [IO.File]::WriteAllText('/proc/self/clear_refs', '5')
    $before = Read-Peak
    $rows = foreach ($image in $images) {
        $null = Export-CracCoreDump $image.Path "$folder/core" -Force
        & sync
        $times = foreach ($round in 1..$Count) {
            Remove-Item -LiteralPath "$folder/core"
            $watch = [Diagnostics.Stopwatch]::StartNew()
            $core = Export-CracCoreDump $image.Path "$folder/core" -IncludeFile Header
            $watch.Elapsed.TotalSeconds
        }
        [pscustomobject]@{
            What   = "image of $([Math]::Round($image.Size / 1MB)) MiB, core of $([Math]::Round($core.Size / 1MB)) MiB"
            PSCrac = [Math]::Round((Get-Median $times), 3)
            goal   = $image.Size -lt 100MB ? 0.3 : 0.8
        }
    }
    $peak = (Read-Peak) - $before
    "Seconds, medians of $Count rounds; $([Environment]::ProcessorCount) processors"
    @(
        $rows
        [pscustomobject]@{ What = 'memory over the session, MB'; PSCrac = [Math]::Round($peak * 1024 / 1e6); goal = 50 }
        if ($CriuCoredump) {
            $null = New-Item -ItemType Directory "$folder/other"
            $watch = [Diagnostics.Stopwatch]::StartNew()
            & $CriuCoredump -i $images[-1].Path -o "$folder/other" *> "$folder/other.log"
            $other = $watch.Elapsed.TotalSeconds
            if ($LASTEXITCODE -ne 0) { throw "criu-coredump failed: $(Get-Content "$folder/other.log" -Tail 1)" }
            [pscustomobject]@{ What = "criu-coredump of the last image, times as long"; PSCrac = [Math]::Round($other / $rows[-1].PSCrac); goal = 50 }
        }
    ) | Format-Table -AutoSize | Out-String -Width 120
}
finally {
    if ($id) { Stop-Process -Id $id -Force -ErrorAction Ignore }
    Remove-Item -LiteralPath $folder -Recurse -Force
}
