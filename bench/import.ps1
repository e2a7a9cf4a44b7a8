#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
What it costs to import the module, beside an empty one.

.DESCRIPTION
Fresh PowerShells import, in turn, a binary module with one empty cmdlet and nothing else, PSCrac, and PSCrac without its
formats. Prints milliseconds of Import-Module within the session, and how far each is above the empty module, whose
own import is what PowerShell takes for any. A first round, with cold files, is not counted. The target for PSCrac is 15 ms.
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 1000)]
    [int] $Count = 15
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

Import-Module (Join-Path $PSScriptRoot 'Shell.psm1')
$staged = [IO.Path]::GetFullPath((Join-Path $PSScriptRoot '../out/PSCrac'))
$folder = Join-Path ([IO.Path]::GetTempPath()) "pscrac-import-$PID"

# A module of one cmdlet that does nothing.
function New-EmptyModule {
    $path = (New-Item -ItemType Directory -Path (Join-Path $folder 'Empty')).FullName
    Add-Type -OutputAssembly (Join-Path $path 'Empty.dll') -TypeDefinition @'
using System.Management.Automation;
[Cmdlet(VerbsCommon.Get, "Empty")]
public sealed class GetEmptyCommand : PSCmdlet { }
'@
    New-ModuleManifest -Path (Join-Path $path 'Empty.psd1') -RootModule Empty.dll -CmdletsToExport Get-Empty -FunctionsToExport @() -AliasesToExport @() -VariablesToExport @()
    Join-Path $path 'Empty.psd1'
}

# The staged module with lines of its manifest taken out.
function New-PlainModule {
    $path = Join-Path $folder 'PSCrac'
    Copy-Item -LiteralPath $staged -Destination $path -Recurse
    $manifest = Join-Path $path 'PSCrac.psd1'
    (Get-Content -LiteralPath $manifest) -notmatch '^\s*FormatsToProcess\b' | Set-Content -LiteralPath $manifest
    $manifest
}

$null = New-Item -ItemType Directory -Path $folder
try {
    $modules = [ordered]@{
        'empty binary module'              = New-EmptyModule
        'PSCrac'                           = Join-Path $staged 'PSCrac.psd1'
        'PSCrac without formats' = New-PlainModule
    }
    $times = @{}
    foreach ($name in $modules.Keys) { $times[$name] = [Collections.Generic.List[double]]::new() }
    foreach ($round in 0..$Count) {
        Write-Progress -Activity 'Importing' -Status "$round of $Count" -PercentComplete (100 * $round / $Count)
        $turn = @($modules.Keys)
        if ($round % 2) { [array]::Reverse($turn) }
        foreach ($name in $turn) {
            $command = "`$w = [Diagnostics.Stopwatch]::StartNew(); Import-Module '$($modules[$name])'; `$w.Elapsed.TotalMilliseconds"
            $time = [double] (Invoke-FreshPwsh '-Command', $command)
            if ($round -gt 0) { $times[$name].Add($time) }
        }
    }
}
finally {
    Write-Progress -Activity 'Importing' -Completed
    Remove-Item -LiteralPath $folder -Recurse -Force
}

$empty = Get-Median $times['empty binary module']
"Milliseconds of Import-Module, $Count fresh PowerShells each, load $((Get-Content /proc/loadavg).Split(' ')[0])"
$modules.Keys | ForEach-Object {
    $median = Get-Median $times[$_]
    [pscustomobject]@{
        Module        = $_
        Median        = [Math]::Round($median, 1)
        Least         = [Math]::Round(($times[$_] | Measure-Object -Minimum).Minimum, 1)
        'Above empty' = [Math]::Round($median - $empty, 1)
        Ratio         = [Math]::Round($median / $empty, 2)
    }
} | Format-Table | Out-String -Width 80
