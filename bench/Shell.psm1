# What the benchmarks share that start PowerShells of their own.

<#
.SYNOPSIS
The words that start the PowerShell which runs this: as a .NET tool it has no executable of its own, but is a program of dotnet's.
#>
function Get-PwshCommand {
    $own = Join-Path $PSHOME 'pwsh'
    (Test-Path -LiteralPath $own) ? @($own) : @([Environment]::ProcessPath, (Join-Path $PSHOME 'pwsh.dll'))
}

<#
.SYNOPSIS
Runs a fresh PowerShell without a profile, and gives what it wrote.
#>
function Invoke-FreshPwsh([string[]] $Argument) {
    $words = @(Get-PwshCommand) + '-NoLogo', '-NoProfile', '-NonInteractive' + $Argument
    $said = & $words[0] @($words | Select-Object -Skip 1)
    if ($LASTEXITCODE -ne 0) { throw "a fresh PowerShell ended with $($LASTEXITCODE): $said" }
    $said
}

function Get-Median([double[]] $Value) {
    $sorted = @($Value | Sort-Object)
    ($sorted[[Math]::Floor(($sorted.Count - 1) / 2)] + $sorted[[Math]::Floor($sorted.Count / 2)]) / 2
}

Export-ModuleMember -Function Invoke-FreshPwsh, Get-Median
