#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
A process of 300 MB that moves with -LazyPages: how long it stands still, how much is sent before it runs, when all of its memory is there,
and how long it waits for memory meanwhile; beside ssh with nothing but the bytes of its memory.

.DESCRIPTION
The other host is a pid, mount and network namespace with a sshd of its own, as in the tests, behind a link of 1 Gbit/s and 1 ms each way.
The quiet process, in Python, touches next to nothing; the busy one writes to 20 random pages in each step of a millisecond. Each notes when
it stood still for more than 20 ms. Medians in milliseconds; the longest wait is the longest of all rounds. A first round is not counted.
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
import os, random, sys, time
size = int(sys.argv[2]) << 8
memory = bytearray(os.urandom(1 << 20) * int(sys.argv[2]))
writes = int(sys.argv[3])
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
last = time.time_ns()
os.write(notes, b"ready\n")
while True:
    now = time.time_ns()
    if now - last > 20_000_000:
        os.write(notes, b"%d %d\n" % ((now - last) // 1000, now // 1000))
    last = now
    for _ in range(writes):
        memory[random.randrange(size) << 12] = 7
    time.sleep(0.001)
'@

# The processor time that the host's page daemon has taken, in percent of its life.
$sampler = {
    param($Stop, $InitId)
    $there = [IO.FileInfo]::new("/proc/$InitId/ns/pid").LinkTarget
    $share = $null
    while (-not (Test-Path -LiteralPath $Stop)) {
        foreach ($folder in [IO.Directory]::EnumerateDirectories('/proc')) {
            try {
                if ($folder -match '\d+$' -and [IO.File]::ReadAllText("$folder/comm") -eq "pscrac-pages`n" -and [IO.FileInfo]::new("$folder/ns/pid").LinkTarget -eq $there) {
                    $id = [int] $Matches[0]
                    while (-not (Test-Path -LiteralPath $Stop)) {
                        $fields = ([IO.File]::ReadAllText("/proc/$id/stat") -replace '^.*\) ').Split(' ')
                        $since = [double] [IO.File]::ReadAllText('/proc/uptime').Split(' ')[0] - [double] $fields[19] / 100
                        if ($since -gt 0.2) { $share = ([double] $fields[11] + [double] $fields[12]) / $since }
                        Start-Sleep -Milliseconds 20
                    }
                }
            }
            catch { $null = $_ }
        }
        Start-Sleep -Milliseconds 20
    }
    $share
}

$folder = Enter-CracTest
try {
    $blue = Start-LinkedHost $folder -Rate $Rate -Delay $Delay
    Set-Content "$folder/still.py" $program
    $notes = "$folder/notes"
    $kinds = [ordered]@{ 'quiet' = 0; '20 pages a ms' = 20 }
    $samples = @{}
    foreach ($kind in $kinds.Keys) { $samples[$kind] = [Collections.Generic.List[object]]::new() }
    $cat = [Collections.Generic.List[double]]::new()
    $criu = Get-CriuPath
    $dumps = [Collections.Generic.List[double]]::new()
    $null = sh -c "head -c ${Size}M /dev/urandom >'$folder/bytes'"
    foreach ($round in 0..$Count) {
        Write-Progress -Activity 'Moving a process and its memory' -Status "$round of $Count" -PercentComplete (100 * $round / $Count)
        foreach ($kind in $kinds.Keys) {
            Remove-Item -LiteralPath "$folder/stop" -ErrorAction Ignore
            $id = Start-NotingProgram "$folder/still.py" $notes $Size, $kinds[$kind]
            $job = Start-ThreadJob -ScriptBlock $sampler -ArgumentList "$folder/stop", $blue.InitId
            $moved = Move-CracProcess -Id $id -HostName blue -LazyPages
            Start-Sleep -Milliseconds 500
            Set-Content -LiteralPath "$folder/stop" ''
            $share = $job | Receive-Job -Wait -AutoRemoveJob
            $gaps = @(Get-Content -LiteralPath $notes).ForEach({ [pscustomobject]@{ Long = [double]$_.Split(' ')[0] / 1000; At = [double]$_.Split(' ')[1] / 1000 } })

            # The first is the move itself.
            $later = @($gaps | Where-Object { $_.At - $gaps[0].At -gt 500 })
            if ($round -gt 0) {
                $samples[$kind].Add([pscustomobject]@{
                        Still = $gaps[0].Long; Before = $moved.BytesSentBefore; All = $moved.TransferTime.TotalMilliseconds; Sent = $moved.BytesSent
                        Wait = (@($later.ForEach({ $_.Long })) + 0 | Measure-Object -Maximum).Maximum; Share = $share
                    })
            }
            & $blue.Ssh blue "kill -9 $id"
        }
        $dump = Measure-PlainDump $criu (Start-NotingProgram "$folder/still.py" $notes $Size, 0) $folder
        $bytes = Measure-SshCat $blue "$folder/bytes"
        if ($round -gt 0) {
            $dumps.Add($dump)
            $cat.Add($bytes)
        }
    }
}
finally {
    Write-Progress -Activity 'Moving a process and its memory' -Completed
    Stop-FarHost
    Exit-CracTest
}

"A process of $Size MiB, a link of $Rate and $Delay ms each way, medians of $Count in ms, load $((Get-Content /proc/loadavg).Split(' ')[0])"
foreach ($kind in $kinds.Keys) {
    [pscustomobject]@{
        Process        = $kind
        'Stood still'  = [Math]::Round((Get-Median $samples[$kind].Still))
        'MB before'    = [Math]::Round((Get-Median $samples[$kind].Before) / 1e6, 1)
        'All in'       = [Math]::Round((Get-Median $samples[$kind].All))
        'MB'           = [Math]::Round((Get-Median $samples[$kind].Sent) / 1e6, 1)
        'Longest wait' = [Math]::Round(($samples[$kind].Wait | Measure-Object -Maximum).Maximum)
        'Daemon %'     = [Math]::Round((Get-Median $samples[$kind].Share), 1)
    }
}
[pscustomobject]@{ Process = 'criu dump, alone'; 'Stood still' = [Math]::Round((Get-Median $dumps)); 'MB before' = ''; 'All in' = ''; 'MB' = ''; 'Longest wait' = ''; 'Daemon %' = '' }
[pscustomobject]@{ Process = 'ssh cat'; 'Stood still' = ''; 'MB before' = ''; 'All in' = [Math]::Round((Get-Median $cat)); 'MB' = ''; 'Longest wait' = ''; 'Daemon %' = '' }
