#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
Small web services, started and restored: how long until the first answer.

.DESCRIPTION
For each service a round is: a cold start until the first answer with status 200, some requests more, a checkpoint, and
restores of its image, each until the first 200: by Restore-CracProcess and by plain criu as its manual shows it, each
with and without criu's feature cache, and by Restore-CracProcess -LazyPages with it; at last by both when neither the image
nor what the service alone maps is in the page cache, much as after a reboot ("Disk", with criu's feature cache). Every other round has them in the
opposite order, since the first restore of an image finds less of it in the processor's caches. The JVM collects its
garbage before the checkpoint, which makes the image smaller for all of them. All figures are
milliseconds, medians of the rounds. A cold start counts from the start of the program; a checkpoint and a restore are the
whole cmdlet within this session, and for plain criu from its start, timed by a shell around it that then asks the service
itself. A first round, with cold files, is not counted. Before it a small process is restored often enough for .NET to
compile the cmdlet for good: what is measured is a session that has restored before. The first restore of a session takes
longer, which the last line tells; "Shell" has it all, from the start of a fresh PowerShell that imports the module and calls
Start-CracProcess -OrRestore until the service's first answer, with criu's feature cache. "crac-start" is the same without
PowerShell: from the start of crac-start, which restores the service and asks it itself, until it says so.

Everything listens on the loopback address alone, and only what was started here is ended. A service whose parts are not
installed is left out, and the last lines say what it needs.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 1000)]
    [int] $Count = 5,

    [ValidateSet('spring', 'kestrel', 'node', 'python')]
    [string[]] $Service = @('spring', 'kestrel', 'node', 'python'),

    # Where the table is written as Markdown, with the date and the machine.
    [string] $MarkdownPath,

    # Where a picture of the first service's cold starts and restores is written, as SVG.
    [string] $PlotPath
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$ProgressPreference = [Console]::IsOutputRedirected ? 'SilentlyContinue' : 'Continue'

Import-Module (Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'), (Join-Path $PSScriptRoot 'Shell.psm1')
$source = Join-Path $PSScriptRoot 'startup'
$folder = Join-Path ([IO.Path]::GetTempPath()) "pscrac-startup-$PID"
$env:PSCRAC_LOG_ROOT = Join-Path $folder 'logs'
$environmentRows = Test-CracEnvironment
$criu = ($environmentRows | Where-Object Name -EQ criu).Detail -replace '^\S+ at (.*) \(from .*\)$', '$1'
$canBeLazy = ($environmentRows | Where-Object Name -EQ 'uffd-noncoop').IsAvailable
$cacheIsKept = ($environmentRows | Where-Object Name -EQ 'feature cache').Detail -like '/run is a tmpfs*'

# Runs plain criu and then asks the service, with nothing of PowerShell's in the time: prints microseconds.
$plainRestore = @'
s=$EPOCHREALTIME
"$1" restore -d -D "$2" -o restore.log >/dev/null 2>&1 || exit
exec 3<>/dev/tcp/127.0.0.1/"$3" && printf 'GET /hello/bench HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n' >&3
read -r _ status _ <&3
e=$EPOCHREALTIME
[ "$status" = 200 ] && echo $(( ${e/./} - ${s/./} ))
'@

#region The services

# Each gives the program and its arguments before the port, or says what is missing by throwing.
$builders = @{
    spring  = {
        $names = 'jetty9-server', 'jetty9-servlet', 'jetty9-util', 'jetty9-http', 'jetty9-io', 'jetty9-security', 'servlet-api',
        'commons-logging', 'spring3-aop', 'spring3-beans', 'spring3-context', 'spring3-core', 'spring3-expression', 'spring3-web', 'spring3-web.servlet'
        $jars = $names.ForEach({ "/usr/share/java/$_.jar" })
        if (-not (Get-Command javac -ErrorAction Ignore) -or $jars.Where({ -not (Test-Path -LiteralPath $_) })) {
            throw 'Debian''s packages openjdk-17-jdk-headless, libspring-web-servlet-java and libjetty9-java'
        }
        $classes = Join-Path $folder 'spring'
        & javac --release 8 -Xlint:-options -d $classes -cp ($jars -join ':') (Join-Path $source 'spring/Application.java')
        if ($LASTEXITCODE -ne 0) { throw 'a javac that compiles the service' }
        'java', '-cp', (@($classes) + $jars -join ':'), 'Application'
    }
    kestrel = {
        if (-not ((& dotnet --list-runtimes) -match '^Microsoft\.AspNetCore\.App 10\.')) { throw 'ASP.NET Core 10' }
        $out = Join-Path $folder 'kestrel'
        $log = & dotnet publish (Join-Path $source 'kestrel/Kestrel.csproj') --configuration Release --output $out --nologo --verbosity quiet
        if ($LASTEXITCODE -ne 0) { throw "a dotnet that builds the service: $log" }
        (Join-Path $out 'kestrel')
    }
    node    = {
        if (-not (Get-Command node -ErrorAction Ignore)) { throw 'node' }
        'node', (Join-Path $source 'server.js')
    }
    python  = {
        $python = Get-Command python3 -ErrorAction Ignore
        if (-not $python) { throw 'python3' }
        # Not a version manager's script in front of it.
        (& python3 -c 'import sys; print(sys.executable)'), (Join-Path $source 'server.py')
    }
}

#endregion

#region Measuring

function Get-FreePort {
    $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
    $listener.Start()
    $port = $listener.LocalEndpoint.Port
    $listener.Stop()
    $port
}

function Measure-Wall([scriptblock] $Command) {
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $null = & $Command
    $watch.Elapsed.TotalMilliseconds
}

# Ends the restored service and waits until its parent has taken note, which frees the ids for the next restore.
function Stop-Restored([int] $Id) {
    Stop-Process -Id $Id -Force
    while (Test-Path -LiteralPath "/proc/$Id") { Start-Sleep -Milliseconds 5 }
}

function Set-Cache([bool] $IsThere) {
    if ($cacheIsKept) { return }
    if ($IsThere) { $null = Initialize-CracEnvironment } else { Remove-Item -LiteralPath /run/criu.kdat -ErrorAction Ignore }
}

# What a unit or a container runs: a PowerShell that imports the module and starts or restores the service. Says when that was
# done, and whether the service came out of its image.
$shellScript = @'
param($Module, $Image, $Uri, $FilePath)
Import-Module $Module
$service = Start-CracProcess $FilePath -ArgumentList $args -ImagePath $Image -OrRestore -ReadyUri $Uri
"$($service.Id) $($service.IsRestored) $([DateTime]::UtcNow.Ticks)"
'@

# From the start of a PowerShell to the first answer of a service that is restored. A PowerShell before it makes the image.
function Measure-Shell([string[]] $Program, [int] $Port, [string] $Image) {
    $script = Join-Path $folder 'shell.ps1'
    Set-Content -LiteralPath $script -Value $shellScript
    foreach ($isThere in $false, $true) {
        Set-Cache $true
        Start-Sleep -Milliseconds 1500
        $start = [DateTime]::UtcNow.Ticks
        $id, $isRestored, $end = (Invoke-FreshPwsh (@('-File', $script, (Get-Module PSCrac).Path, $Image, "http://127.0.0.1:$Port/hello/bench") + $Program + $Port)).Split(' ')
        Stop-Restored $id
        if ([bool]::Parse($isRestored) -ne $isThere) { throw "Start-CracProcess -OrRestore of $Program did not restore" }
    }
    Remove-Item -LiteralPath $Image -Recurse -Force
    ([long] $end - $start) / [timespan]::TicksPerMillisecond
}

# Runs crac-start, which says a line when the service that it restored has answered, and then stays: prints microseconds.
$startRestore = @'
s=$EPOCHREALTIME
exec 3< <(exec "$1" "$2" 2>&1)
read -r line <&3
e=$EPOCHREALTIME
[[ "$line" == *'Restored from'* ]] && echo $(( ${e/./} - ${s/./} ))
'@

# From the start of crac-start to the first answer of a service that is restored. A crac-start before it makes the image.
function Measure-Start([string[]] $Program, [int] $Port) {
    $start = Join-Path (Get-Module PSCrac).ModuleBase 'crac-start'
    if (-not (Test-Path -LiteralPath $start)) { return $null }
    $uri = "http://127.0.0.1:$Port/hello/bench"
    $state = Join-Path $folder 'state'
    # Not /: a host of ASP.NET watches its working directory, with all that is in it.
    $work = Join-Path $folder 'work'
    $null = New-Item -ItemType Directory -Path (Join-Path $state 'services'), $work -Force
    @{
        name = 'bench'; filePath = $Program[0]; arguments = @($Program | Select-Object -Skip 1) + "$Port"; workingDirectory = $work
        readyUri = $uri; warmUpUri = @($uri); warmUpCount = 50; collectGarbage = $Program[0] -eq 'java'
    } | ConvertTo-Json | Set-Content -LiteralPath (Join-Path $state 'services' 'bench.json')
    $env:PSCRAC_STATE_ROOT = $state
    try {
        Set-Cache $true
        $said = Join-Path $folder 'start.err'
        $first = Start-Process -FilePath $start -ArgumentList 'bench' -RedirectStandardError $said -PassThru
        try {
            while (-not $first.HasExited -and -not (Select-String -LiteralPath $said -Pattern 'Checkpointed|skipped|failed' -Quiet)) { Start-Sleep -Milliseconds 50 }
            $made = Get-ChildItem -LiteralPath (Join-Path $state 'images' 'bench') -Directory -ErrorAction Ignore
            if (-not $made) { throw "crac-start made no image: $(Get-Content -LiteralPath $said -Raw)" }
            $image = Get-CracImage -LiteralPath $made.FullName
        }
        finally {
            Stop-Process -Id $first.Id -ErrorAction Ignore
        }
        while (Test-Path -LiteralPath "/proc/$($image.RootProcessId)") { Start-Sleep -Milliseconds 5 }
        Start-Sleep -Milliseconds 1500
        $time = & bash -c $startRestore bash $start bench
        Stop-Restored $image.RootProcessId
        if ($null -eq $time) { throw "crac-start did not restore $Program" }
        [long] $time / 1000
    }
    finally {
        $env:PSCRAC_STATE_ROOT = $null
        Remove-Item -LiteralPath $state -Recurse -Force
    }
}

function Measure-Round([string[]] $Program, [int] $Port, [string] $Image, [int] $Round) {
    $uri = "http://127.0.0.1:$Port/hello/bench"
    $sample = @{}
    $process = Start-CracProcess $Program[0] -ArgumentList (@($Program | Select-Object -Skip 1) + $Port) -ReadyUri $uri -WarmUp {
        1..50 | ForEach-Object { Invoke-RestMethod -Uri $uri -DisableKeepAlive }
    }
    try {
        $sample.cold = $process.ReadyTime.TotalMilliseconds
        $sample.checkpoint = Measure-Wall { Invoke-CracCheckpoint -Id $process.Id -ImagePath $Image -CollectGarbage:($Program[0] -eq 'java') }
    }
    finally {
        if (-not $process.HasExited) { $process.End() }
    }
    $id = $process.Id
    $made = Get-CracImage -LiteralPath $Image
    $files = @(Get-ChildItem -LiteralPath $Image -File).FullName + @($made.MemoryAreas.Path | Sort-Object -Unique | Where-Object { $_ -and (Test-Path -LiteralPath $_ -PathType Leaf) })
    $ways = 'plain', 'restore', 'plain cached', 'restore cached', 'lazy cached', 'plain cached disk', 'restore cached disk'
    if ($Round % 2) { [array]::Reverse($ways) }
    foreach ($way in $ways) {
        # Not where the kernel cannot, nor of a .NET service, which reserves more memory than most machines have.
        if ($way -eq 'lazy cached' -and -not ($canBeLazy -and (Test-CracImage -LiteralPath $Image -LazyPages -Quiet))) { continue }
        Set-Cache $way.Contains('cached')
        # What criu's breakpoints, in the last restore or in criu's look at the kernel, had the kernel switch on stays on for
        # a second (perf_sched_delayed in kernel/events/core.c), and none is to find it done.
        Start-Sleep -Milliseconds 1500
        # A machine may have taken some of it out of its page cache meanwhile; where it is must not be left to chance.
        foreach ($file in $files) {
            if (-not $way.EndsWith('disk')) { $null = [IO.File]::ReadAllBytes($file); continue }
            & dd "if=$file" iflag=nocache count=0 status=none
            if ($LASTEXITCODE -ne 0) { throw "$file stays in the page cache" }
        }
        if ($way.EndsWith('disk') -and [long] (& fincore --bytes --noheadings --output RES "$Image/pages-1.img") -gt 0) { throw 'the image stays in the page cache' }
        $sample[$way] = switch ($way.Split(' ')[0]) {
            plain { & bash -c $plainRestore bash $criu $Image $Port | ForEach-Object { [long]$_ / 1000 } }
            restore { Measure-Wall { Restore-CracProcess -LiteralPath $Image -ReadyUri $uri } }
            lazy { Measure-Wall { Restore-CracProcess -LiteralPath $Image -ReadyUri $uri -LazyPages } }
        }
        if ($null -eq $sample[$way]) { throw "criu restore failed; its log is $Image/restore.log" }
        Stop-Restored $id
    }
    $sample.image = $made.Size / 1MB
    $sample.shell = Measure-Shell $Program $Port "$Image.shell"
    $sample.start = Measure-Start $Program $Port
    $sample
}

# Restores a process, which then ends by itself, until the runtime has compiled what it calls often. Gives how long the first took.
function Initialize-Code {
    $image = Join-Path $folder 'small'
    $go = Join-Path $folder 'go'
    $process = Start-CracProcess sh -ArgumentList '-c', "while [ ! -e $go ]; do sleep 0.01; done"
    $null = Invoke-CracCheckpoint -Id $process.Id -ImagePath $image
    $null = New-Item -ItemType File -Path $go
    $times = 1..40 | ForEach-Object { Measure-Wall { Restore-CracProcess -LiteralPath $image -Wait } }
    Start-Sleep -Seconds 1
    $times[0] - (Get-Median $times[-10..-1])
}

#endregion

$missing = @()
$first = $null
$null = New-Item -ItemType Directory -Path $folder
$firstTime = Initialize-Code
$hadCache = ($environmentRows | Where-Object Name -EQ 'feature cache').IsAvailable
try {
    $rows = @(foreach ($name in $Service) {
        try {
            $program = @(& $builders[$name])
        }
        catch {
            $missing += "$name needs $($_.Exception.Message)"
            continue
        }
        $port = Get-FreePort
        $first ??= @{ Program = $program; Port = $port }
        $samples = @(foreach ($round in 0..$Count) {
            Write-Progress -Activity "Starting and restoring: $name" -Status "Round $round of $Count" -PercentComplete (100 * $round / ($Count + 1))
            $image = Join-Path $folder "$name$round"
            $sample = Measure-Round $program $port $image $round
            Remove-Item -LiteralPath $image -Recurse -Force
            if ($round -gt 0) { $sample }
        })
        $median = @{}
        foreach ($key in $samples[0].Keys) { $median[$key] = Get-Median $samples.$key }
        [pscustomobject][ordered]@{
            Service         = $name
            Cold            = [int]$median.cold
            Checkpoint      = [int]$median.checkpoint
            Restore         = [Math]::Round($median['restore cached'], 1)
            'No cache'      = [Math]::Round($median.restore, 1)
            Lazy            = $median.ContainsKey('lazy cached') ? [Math]::Round($median['lazy cached'], 1) : $null
            'criu'          = [Math]::Round($median.plain, 1)
            'criu + cache'  = [Math]::Round($median['plain cached'], 1)
            'crac-start'    = $null -eq $median.start ? $null : [Math]::Round($median.start, 1)
            'start - criu'  = $null -eq $median.start ? $null : [Math]::Round($median.start - $median['plain cached'], 1)
            'Shell'         = [int]$median.shell
            'Shell/start'   = $null -eq $median.start ? $null : [Math]::Round($median.shell / $median.start, 1)
            'Cold/Restore'  = [Math]::Round($median.cold / $median['restore cached'], 1)
            'criu/Restore'  = [Math]::Round($median.plain / $median['restore cached'], 2)
            'Disk'          = [int]$median['restore cached disk']
            'criu, disk'    = [int]$median['plain cached disk']
            'Image MiB'     = [int]$median.image
        }
    })

    $cpu = (Select-String -LiteralPath /proc/cpuinfo -Pattern '^model name\s*:\s*(.+)$' | Select-Object -First 1)?.Matches[0].Groups[1].Value
    $load = (Get-Content /proc/loadavg).Split(' ')[0]
    $machine = "$(Get-Date -Format yyyy-MM-dd), Linux $((Get-Content /proc/sys/kernel/osrelease).Split('-')[0]), $([Environment]::ProcessorCount) CPUs ($cpu), load $load, criu $(($environmentRows | Where-Object Name -EQ criu).Detail.Split(' ')[0])"
    "Milliseconds until the first answer, medians of $Count rounds: $machine"
    $rows | Format-Table -Property * -AutoSize | Out-String -Width 200
    "The first restore of this session took $([int]$firstTime) ms longer than later ones."
    foreach ($line in $missing) { "left out: $line" }
    if ($MarkdownPath -and $rows) {
        $names = $rows[0].PSObject.Properties.Name
        @(
            "| $($names -join ' | ') |"
            "| $(($names | ForEach-Object { $_ -eq 'Service' ? '---' : '---:' }) -join ' | ') |"
            foreach ($row in $rows) { "| $($row.PSObject.Properties.Value -join ' | ') |" }
            ''
            "Milliseconds until the first answer with status 200, medians of $Count rounds in turn. $machine. Cold: the program started;"
            'Restore: `Restore-CracProcess` with criu''s feature cache; No cache: without it; Lazy: with the cache and `-LazyPages`; criu: plain `criu restore -d` of the same image;'
            'Disk: with the cache, when neither the image nor what the service alone maps is in the page cache, much as after a reboot.'
            'crac-start: from the start of `crac-start`, which was compiled ahead, with the cache; start - criu: how much longer that is than criu + cache.'
            'Shell: from the start of a fresh `pwsh` that imports the module and calls `Start-CracProcess -OrRestore`; the other columns leave out the start of PowerShell, the import and the first call''s compiling.'
            'Checkpoint: `Invoke-CracCheckpoint`, for Spring with `-CollectGarbage`.'
            foreach ($line in $missing) { "Left out: $line." }
        ) | Set-Content -LiteralPath $MarkdownPath
    }
    if ($PlotPath -and $first) {
        Set-Cache $true
        $null = Measure-CracStartup $first.Program[0] -ArgumentList (@($first.Program | Select-Object -Skip 1) + $first.Port) -Count 15 -Plot $PlotPath `
            -ReadyUri "http://127.0.0.1:$($first.Port)/hello/bench" -WarmUp { 1..50 | ForEach-Object { Invoke-RestMethod -Uri "http://127.0.0.1:$($first.Port)/hello/bench" -DisableKeepAlive } }
    }
}
finally {
    Write-Progress -Activity 'Starting and restoring' -Completed
    Set-Cache $hadCache
    Remove-Item -LiteralPath $folder -Recurse -Force
}
