#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
What it costs Start-CracProcess -OrRestore to compare an image with the files that it was started from.

.DESCRIPTION
Prints, for command lines that refer to many files or to large ones, the number of files, and milliseconds, the shortest
of many comparisons in a warm session: with files that nobody has touched, and with files whose times all differ, so that each of at
most 1 MiB is read. The programs are stand-ins that sleep; their names and their files are what counts. The target for files
that nobody has touched is 5 ms.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 1000)]
    [int] $Count = 50
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module (Join-Path $PSScriptRoot '../out/PSCrac/PSCrac.psd1'), (Join-Path $PSScriptRoot 'Shell.psm1')
$folder = (New-Item -ItemType Directory -Path (Join-Path ([IO.Path]::GetTempPath()) "pscrac-bench-$PID")).FullName
$env:PSCRAC_LOG_ROOT = Join-Path $folder 'logs'

# The comparison itself is internal to the engine.
$engine = [PSCrac.CracImage].Assembly
$hidden = [Reflection.BindingFlags] 'Static, Instance, NonPublic'
$create = $engine.GetType('PSCrac.Starting.Fingerprints.StartedCommand').GetMethod('Create', $hidden)
$compare = $engine.GetType('PSCrac.Starting.Fingerprints.FingerprintComparison').GetMethods($hidden).Where({ $_.Name -eq 'Compare' -and $_.IsStatic })[0]
$manifest = [PSCrac.CracImage].GetProperty('Manifest', $hidden)

function New-File([string] $Directory, [int] $Count, [int] $Size, [string] $Extension) {
    $null = New-Item -ItemType Directory -Path $Directory -Force
    foreach ($number in 1..$Count) {
        [IO.File]::WriteAllBytes("$Directory/$number.$Extension", [Security.Cryptography.RandomNumberGenerator]::GetBytes($Size))
    }
}

function New-Jar([string] $Directory, [int] $Count) {
    $null = New-Item -ItemType Directory -Path $Directory -Force
    foreach ($number in 1..$Count) {
        $jar = [IO.Compression.ZipFile]::Open("$Directory/$number.jar", 'Create')
        $writer = [IO.StreamWriter]::new($jar.CreateEntry('META-INF/MANIFEST.MF').Open())
        $writer.Write("Manifest-Version: 1.0`r`nClass-Path: x.jar`r`n")
        $writer.Dispose()
        $stream = $jar.CreateEntry('a.class', 'NoCompression').Open()
        $stream.Write([Security.Cryptography.RandomNumberGenerator]::GetBytes(200KB))
        $stream.Dispose()
        $jar.Dispose()
    }
}

$kinds = [ordered]@{
    'Python, a script'                = @{ Program = 'python3'; Arguments = '1.py', '8080'; Make = { New-File $args[0] 1 20KB py } }
    'Java, a jar of 40 MiB'           = @{ Program = 'java'; Arguments = '-jar', '1.jar'; Make = { New-File $args[0] 1 40MB jar } }
    'Java, 100 jars'                  = @{ Program = 'java'; Arguments = '-cp', 'lib/*', 'Main'; Make = { New-Jar "$($args[0])/lib" 100 } }
    'Java, 1000 classes of 5 KiB'     = @{ Program = 'java'; Arguments = '-cp', 'classes', 'Main'; Make = { New-File "$($args[0])/classes" 1000 5KB class } }
    '.NET, 200 assemblies of 150 KiB' = @{ Program = 'dotnet'; Arguments = , '1.dll'; Make = { New-File $args[0] 200 150KB dll } }
}

function Measure-Shortest([scriptblock] $Command) {
    $times = foreach ($number in 1..$Count) {
        $watch = [Diagnostics.Stopwatch]::StartNew()
        $null = & $Command
        $watch.Elapsed.TotalMilliseconds
    }
    ($times | Measure-Object -Minimum).Minimum
}

function Measure-Kind([string] $Name, [hashtable] $Kind, [int] $Number) {
    $work = (New-Item -ItemType Directory -Path "$folder/$Number/app").FullName
    $program = "$folder/$Number/$($Kind.Program)"
    Set-Content -LiteralPath $program -Value "#!/bin/sh`nexec sleep 1000000"
    & chmod +x $program
    & $Kind.Make $work
    $image = (Start-CracProcess $program $Kind.Arguments -WorkingDirectory $work -ImagePath "$folder/$Number/image" -Engine Criu -WarningAction Ignore).Image
    $line = $create.Invoke($null, @($program, [string[]] $Kind.Arguments, $work, [Collections.Generic.Dictionary[string, string]]::new()))
    $differences = { if ($compare.Invoke($null, @($image, $line)).Count) { throw "$($compare.Invoke($null, @($image, $line)))" } }
    $untouched = Measure-Shortest $differences
    Get-ChildItem -LiteralPath $work -File -Recurse | ForEach-Object { $_.LastWriteTime = $_.LastWriteTime.AddSeconds(1) }
    [pscustomobject]@{
        kind      = $Name
        files     = $manifest.GetValue($image).Start.Files.Count
        untouched = $untouched
        # A large file without a hash counts as changed.
        touched   = $Name -like '*jar of*' ? $null : (Measure-Shortest $differences)
    }
}

try {
    $number = 0
    '| command line | files | untouched | times differ |'
    '| --- | ---: | ---: | ---: |'
    foreach ($kind in $kinds.Keys) {
        $row = Measure-Kind $kind $kinds[$kind] (++$number)
        '| {0} | {1} | {2:0.0} | {3} |' -f $row.kind, $row.files, $row.untouched, ($null -eq $row.touched ? '' : $row.touched.ToString('0.0'))
    }
}
finally {
    Remove-Item -LiteralPath $folder -Recurse -Force
}
