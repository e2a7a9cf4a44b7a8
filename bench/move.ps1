#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
A process of 300 MB that moves to another host: how long it stands still, beside plain criu's own steps (dump, tar over ssh, restore)
and beside ssh with nothing but the bytes of its memory.

.DESCRIPTION
The other host is a pid, mount and network namespace with a sshd of its own, as in the tests, behind a link of 1 Gbit/s and 1 ms each way.
The process, in Python, notes each time that it stood still for more than 20 ms. The ways take turns; medians in milliseconds. A first
round is not counted.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 1000)]
    [int] $Count = 5,

    # How much memory the process has, in MiB.
    [ValidateRange(16, 65536)]
    [int] $Size = 300,

    # The link's rate, as tc takes it.
    [string] $Rate = '1gbit',

    # The link's delay each way, in milliseconds.
    [ValidateRange(0, 1000)]
    [double] $Delay = 1
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module (Join-Path $PSScriptRoot '../tests/Pester/Support.psm1'), (Join-Path $PSScriptRoot '../tests/Pester/FarHost.psm1'), (Join-Path $PSScriptRoot 'Shell.psm1'), (Join-Path $PSScriptRoot 'Link.psm1')
if ($obstacle = Get-CriuObstacle sshd, ssh, ssh-keygen, ip, nsenter, unshare, python3) {
    "left out: $obstacle"
    return
}

$program = @'
import os, sys, time
memory = [os.urandom(1 << 20) for _ in range(int(sys.argv[2]))]
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
last = time.time_ns()
os.write(notes, b"ready\n")
while True:
    now = time.time_ns()
    if now - last > 20_000_000:
        os.write(notes, b"%d %d\n" % ((now - last) // 1000, now))
    last = now
    time.sleep(0.001)
'@

$folder = Enter-CracTest
try {
    $blue = Start-FarHost blue $folder
    $near = Start-FarHost near $folder -Bare
    Connect-FarHost $blue $near -Rate $Rate -Delay $Delay
    $criu = ((Test-CracEnvironment | Where-Object Name -EQ criu).Detail -replace '^\S+ at (.*) \(from .*\)$', '$1')
    Set-Content "$folder/still.py" $program
    $notes = "$folder/notes"
    $dumps = [Collections.Generic.List[double]]::new()

    # Each is given a process, and says how many bytes it sent before the process ran there, where it knows.
    $ways = [ordered]@{
        'Move-CracProcess'         = { (Move-CracProcess -Id $id -HostName blue).BytesSent }
        'criu, tar over ssh, criu' = {
            $null = New-Item -ItemType Directory "$folder/plain"
            $dump = [Diagnostics.Stopwatch]::StartNew()
            & $criu dump -t $id -D "$folder/plain" -o dump.log
            if ($round -gt 0) { $dumps.Add($dump.Elapsed.TotalMilliseconds) }
            sh -c "tar -C '$folder' -cf - plain | '$($blue.Ssh)' blue tar -C '$($blue.Folder)' -xf -"
            & $blue.Ssh blue "$criu restore -d -D $($blue.Folder)/plain -o restore.log"
            Remove-Item -Recurse -Force "$folder/plain", "$($blue.Folder)/plain"
        }
    }
    $samples = @{}
    foreach ($way in $ways.Keys) { $samples[$way] = [Collections.Generic.List[object]]::new() }
    $cat = [Collections.Generic.List[double]]::new()
    $null = sh -c "head -c ${Size}M /dev/urandom >'$folder/bytes'"
    foreach ($round in 0..$Count) {
        Write-Progress -Activity 'Moving a big process' -Status "$round of $Count" -PercentComplete (100 * $round / $Count)
        foreach ($way in $ways.Keys) {
            Remove-Item -LiteralPath $notes -ErrorAction Ignore
            $id = Start-TestProgram "$(Find-Program python3) $folder/still.py $notes $Size"
            Wait-Until { Test-Path -LiteralPath $notes } 'the process is ready'
            Start-Sleep -Milliseconds 1500
            Set-Content -LiteralPath $notes '' -NoNewline
            $watch = [Diagnostics.Stopwatch]::StartNew()
            $sent = & $ways[$way]
            $all = $watch.Elapsed.TotalMilliseconds
            Wait-Until { @(Get-Content -LiteralPath $notes).Count -gt 0 } 'the process runs there'
            $still = (@(Get-Content -LiteralPath $notes).ForEach({ [double]$_.Split(' ')[0] / 1000 }) | Measure-Object -Maximum).Maximum
            if ($round -gt 0) { $samples[$way].Add([pscustomobject]@{ Still = $still; All = $all; Sent = $sent }) }
            & $blue.Ssh blue "kill -9 $id"
        }
        $watch = [Diagnostics.Stopwatch]::StartNew()
        sh -c "'$($blue.Ssh)' blue 'cat >$($blue.Folder)/bytes' <'$folder/bytes'"
        if ($round -gt 0) { $cat.Add($watch.Elapsed.TotalMilliseconds) }
    }
}
finally {
    Write-Progress -Activity 'Moving a big process' -Completed
    Stop-FarHost
    Exit-CracTest
}

"A process of $Size MiB, a link of $Rate and $Delay ms each way, medians of $Count in ms, load $((Get-Content /proc/loadavg).Split(' ')[0])"
foreach ($way in $ways.Keys) {
    [pscustomobject]@{
        Way           = $way
        'Stood still' = [Math]::Round((Get-Median $samples[$way].Still))
        'Whole time'  = [Math]::Round((Get-Median $samples[$way].All))
        'MB sent'     = $samples[$way][0].Sent ? [Math]::Round((Get-Median $samples[$way].Sent) / 1e6, 1) : ''
    }
}
[pscustomobject]@{ Way = 'criu dump, alone'; 'Stood still' = ''; 'Whole time' = [Math]::Round((Get-Median $dumps)); 'MB sent' = '' }
[pscustomobject]@{ Way = 'ssh with as many bytes'; 'Stood still' = ''; 'Whole time' = [Math]::Round((Get-Median $cat)); 'MB sent' = '' }
