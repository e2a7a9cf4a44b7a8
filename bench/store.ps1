#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
Images in a store: how much the second image of a service takes, and how long exports, imports, restores and lists take.

.DESCRIPTION
For each service: a start, 50 requests to warm it up, and an image, which is exported whole; a restore from the store and 150 requests, another image, which is
exported as a difference; 600 requests more, and a third one. Of each difference: its size in the store, of the size of its pages. Each is
imported, and its pages are compared byte for byte; the last one is restored from the store and asked.

Then an image of a process with much memory, that compresses as a program's does: in each round, in turn, an import and 'zstd -d' of the same
bytes with sync; a restore from the cache and one from a folder. Memory is the growth of the session's peak (VmHWM). At last a list of
100 tags. Goals are in the last column.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 100)]
    [int] $Count = 3,

    [ValidateRange(16, 65536)]
    [int] $Mebibytes = 1024,

    [ValidateSet('kestrel', 'node', 'python')]
    [string[]] $Service = @('kestrel', 'node', 'python')
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

Import-Module (Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'), (Join-Path $PSScriptRoot 'Shell.psm1')
$source = Join-Path $PSScriptRoot 'startup'
$folder = [IO.Directory]::CreateTempSubdirectory('pscrac-bench-').FullName
$env:PSCRAC_LOG_ROOT = "$folder/logs"
$env:PSCRAC_STATE_ROOT = "$folder/state"
$store = "oci:$folder/store"
$rows = [Collections.Generic.List[object]]::new()
$id = 0

function Add-Row([string] $What, $Value, $Beside, $Goal) {
    $rows.Add([pscustomobject]@{ What = $What; PSCrac = $Value; beside = $Beside; goal = $Goal })
}

function Get-FreePort {
    $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
    $listener.Start()
    $port = $listener.LocalEndpoint.Port
    $listener.Stop()
    $port
}

function Read-Field([string] $Path, [string] $Name) {
    [long](([IO.File]::ReadAllLines($Path) -match "^${Name}:")[0] -replace '\D')
}

function Measure-Step([scriptblock] $Step) {
    & sync
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $null = & $Step
    $watch.Elapsed.TotalSeconds
}

function Get-Program([string] $Name) {
    switch ($Name) {
        'kestrel' {
            $log = & dotnet publish (Join-Path $source 'kestrel/Kestrel.csproj') --configuration Release --output "$folder/kestrel" --nologo --verbosity quiet
            if ($LASTEXITCODE -ne 0) { throw "a dotnet that builds the service: $log" }
            "$folder/kestrel/kestrel"
        }
        'node' { 'node', (Join-Path $source 'server.js') }
        'python' { (& python3 -c 'import sys; print(sys.executable)'), (Join-Path $source 'server.py') }
    }
}

function Stop-Service([int] $ProcessId) {
    Stop-Process -Id $ProcessId -Force
    while (Test-Path -LiteralPath "/proc/$ProcessId") { Start-Sleep -Milliseconds 5 }
}

# What the second and third image of a service take.
function Measure-Delta([string] $Name) {
    $words = @(Get-Program $Name)
    $port = Get-FreePort
    $uri = "http://127.0.0.1:$port/hello/bench"
    $script:id = (Start-CracProcess $words[0] -ArgumentList (@($words | Select-Object -Skip 1) + $port) -ReadyUri $uri).Id
    foreach ($i in 1..50) { $null = Invoke-WebRequest $uri -DisableKeepAlive }
    $null = Invoke-CracCheckpoint -Id $script:id -ImagePath "$folder/$Name-0"
    $script:id = 0
    $null = Export-CracImage "$folder/$Name-0" -DestinationPath "${store}:$Name-0"
    $tag = "$Name-0"
    foreach ($requests in 150, 750) {
        $script:id = (Restore-CracProcess "${store}:$tag").Id
        foreach ($i in 1..$(if ($requests -eq 150) { 150 } else { 600 })) { $null = Invoke-WebRequest $uri -DisableKeepAlive }
        $image = Invoke-CracCheckpoint -Id $script:id -ImagePath "$folder/$Name-$requests"
        $script:id = 0
        $watch = [Diagnostics.Stopwatch]::StartNew()
        $stored = Export-CracImage $image.Path -Base "${store}:$Name-0" -DestinationPath "${store}:$Name-$requests"
        $export = $watch.Elapsed.TotalMilliseconds
        $watch.Restart()
        $imported = Import-CracImage $stored.Path -ImagePath "$folder/imported"
        $import = $watch.Elapsed.TotalMilliseconds
        foreach ($file in Get-ChildItem $image.Path -Filter *.img) {
            & cmp $file.FullName "$($imported.Path)/$($file.Name)"
            if ($LASTEXITCODE -ne 0) { throw "$($file.Name) of $Name differs" }
        }
        Remove-CracImage $imported.Path
        $part = 100 * $stored.StoredSize / $stored.Memory
        Add-Row "${Name}: image after $requests requests, % of $([Math]::Round($stored.Memory / 1MB, 1)) MiB" ([Math]::Round($part, 2)) $null ($requests -eq 150 ? 4 : 8)
        Add-Row "${Name}: its export and import, ms" ('{0:N0} and {1:N0}' -f $export, $import) $null $null
        $tag = "$Name-$requests"
    }
    $script:id = (Restore-CracProcess "${store}:$tag").Id
    if ((Invoke-WebRequest $uri -DisableKeepAlive).StatusCode -ne 200) { throw "$Name does not answer" }
    Stop-Service $script:id
    $script:id = 0
}

# A virtual machine may give its host what was free for a few seconds, and gets it back page by page: a file of a GiB then takes 1.2 s to
# write where it takes 0.2 s. Each of two that are compared begins after as much was written and removed.
function Reset-FreeMemory {
    & sh -c 'head -c "$1M" /dev/zero >"$2"; rm "$2"' sh $Mebibytes "$folder/freed"
}

# Of each MiB a third is random, the rest text: zstd -3 makes about a half of it.
$python = @'
import os, sys, time
part = b"".join(b"object %d of %d\n" % (i * 7919 % 104729, i) for i in range(40000))[:700000]
kept = [os.urandom(348576) + part for _ in range(int(sys.argv[1]))]
print("ready", flush=True)
time.sleep(1000000)
'@

try {
    foreach ($name in $Service) { Measure-Delta $name }

    $id = [int](& sh -c 'cd "$1"; setsid python3 -c "$2" "$3" </dev/null >out 2>err & echo $!' sh $folder $python $Mebibytes)
    while (-not (Select-String -LiteralPath "$folder/out" -Pattern '^ready' -Quiet)) { Start-Sleep -Milliseconds 50 }
    $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/image"
    $id = 0
    & tar -C $folder -I 'zstd -T0 -3' -cf "$folder/beside.tar.zst" image
    [IO.File]::WriteAllText('/proc/self/clear_refs', '5')
    $memory = Read-Field /proc/self/status VmHWM
    $id = (Restore-CracProcess $image.Path).Id
    $changed = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/changed"
    $id = 0
    $times = @{ export = @(); import = @(); delta = @(); zstd = @(); cached = @(); folder = @() }
    foreach ($round in 0..$Count) {
        $export = Measure-Step { Export-CracImage $image.Path -DestinationPath "${store}:large" -Force }
        Reset-FreeMemory
        $import = Measure-Step { Import-CracImage "${store}:large" -ImagePath "$folder/own" }
        Remove-CracImage "$folder/own"
        Reset-FreeMemory
        $zstd = Measure-Step { & zstd -q -d -f "$folder/beside.tar.zst" -o "$folder/beside.tar"; & sync "$folder/beside.tar" }
        Remove-Item "$folder/beside.tar"
        $null = Export-CracImage $changed.Path -Base "${store}:large" -DestinationPath "${store}:changed" -Force
        Reset-FreeMemory
        $delta = Measure-Step { Import-CracImage "${store}:changed" -ImagePath "$folder/own" }
        Remove-CracImage "$folder/own"
        $cached = Measure-Step { $script:id = (Restore-CracProcess "${store}:large").Id }
        Stop-Service $id
        $direct = Measure-Step { $script:id = (Restore-CracProcess $image.Path).Id }
        Stop-Service $id
        $id = 0
        # The first round finds code that is not compiled yet and an empty cache, and is not counted.
        if ($round) { $times.export += $export; $times.import += $import; $times.delta += $delta; $times.zstd += $zstd; $times.cached += $cached; $times.folder += $direct }
    }
    $peak = ((Read-Field /proc/self/status VmHWM) - $memory) / 1000
    $median = { param($name) [Math]::Round((Get-Median $times[$name]), 3) }
    Add-Row "export of $Mebibytes MiB, s" (& $median export) $null $null
    Add-Row "import of it, s; beside 'zstd -d' and sync" (& $median import) (& $median zstd) "1.2 x $(& $median zstd)"
    Add-Row 'import of it as a difference, s; beside the same' (& $median delta) (& $median zstd) "1.2 x $(& $median zstd)"
    Add-Row 'restore of it from the cache, s; beside a folder' (& $median cached) (& $median folder) "1.1 x $(& $median folder)"
    Add-Row 'memory over the session, MB' ([Math]::Round($peak)) $null 100

    foreach ($i in 1..100) { $null = Export-CracImage "${store}:$($Service[0])-0" -DestinationPath "oci:$folder/hundred:t$i" }
    $lists = foreach ($i in 0..10) { 1000 * (Measure-Step { Get-CracImage "oci:$folder/hundred" }) }
    Add-Row 'list of 100 tags, ms' ([Math]::Round((Get-Median @($lists | Select-Object -Skip 1)), 1)) $null 50
    "Medians of $Count rounds; $([Environment]::ProcessorCount) processors"
    $rows | Format-Table -AutoSize | Out-String -Width 140
}
finally {
    if ($id) { Stop-Process -Id $id -Force -ErrorAction Ignore }
    Remove-Item -LiteralPath $folder -Recurse -Force
}
