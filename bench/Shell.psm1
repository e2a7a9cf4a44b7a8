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
    Get-Quantile $Value 0.5
}

<#
.SYNOPSIS
The value below which a fraction of the values is; between two values, in proportion.
#>
function Get-Quantile([double[]] $Value, [double] $Fraction) {
    $sorted = @($Value | Sort-Object)
    $at = ($sorted.Count - 1) * $Fraction
    $below = $sorted[[Math]::Floor($at)]
    $below + ($sorted[[Math]::Ceiling($at)] - $below) * ($at - [Math]::Floor($at))
}

Export-ModuleMember -Function Invoke-FreshPwsh, Get-Median, Get-Quantile
