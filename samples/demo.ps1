#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
Checkpoints a running program and restores it before your eyes. Run it with ./build.sh demo.

.DESCRIPTION
Starts samples/Counter, shows it count, freezes it into an image, shows that it is gone, brings it back under the same
pid and shows it count on. Exits 0 only if not one number was lost or repeated.
#>
[CmdletBinding()]
param()

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$root = Split-Path $PSScriptRoot
$counter = Join-Path $root 'samples/Counter/bin/Release/net10.0/counter.dll'
$folder = Join-Path ([IO.Path]::GetTempPath()) "pscrac-demo-$PID"
$output = Join-Path $folder 'numbers.txt'
$image = Join-Path $folder 'image'

function Write-Step([string] $Text, [string] $Command) {
    Write-Host "`n$($PSStyle.Bold)$Text$($PSStyle.Reset)"
    if ($Command) {
        Write-Host "PS> $Command" -ForegroundColor Cyan
    }
}

function Get-Number {
    # The last line may be half written. The comma keeps PowerShell from unrolling the array.
    , [long[]]@([IO.File]::ReadAllText($output) -split "`n" | Select-Object -SkipLast 1)
}

function Wait-Number([long] $Target) {
    $end = [DateTime]::UtcNow.AddSeconds(30)
    while (-not (Test-Path -LiteralPath $output) -or (Get-Number).Count -lt $Target) {
        if ([DateTime]::UtcNow -gt $end) {
            throw "The counter has not reached $Target within 30 seconds."
        }
        Start-Sleep -Milliseconds 50
    }
}

# Shows the numbers from a given one on as they come.
function Show-Number([long] $From, [int] $Count) {
    foreach ($number in $From..($From + $Count - 1)) {
        Wait-Number $number
        Write-Host "$number " -NoNewline
    }
    Write-Host
}

function Show-Object([Parameter(ValueFromPipeline)] $InputObject) {
    begin { $all = [Collections.Generic.List[object]]::new() }
    process { $all.Add($InputObject) }
    end { ($all | Out-String -Width 80).Trim("`n") | Write-Host }
}

$id = $null
$ok = $false
try {
    $null = New-Item -ItemType Directory -Path $folder
    Import-Module (Join-Path $root 'out/PSCrac/PSCrac.psd1')

    # A session of its own and no pipes to this one: what it holds open must be its own for a checkpoint to be simple.
    $id = [int](& sh -c 'setsid "$@" </dev/null >/dev/null 2>&1 & echo $!' sh dotnet $counter --interval 250 --output $output)
    Write-Step "A program counts, four numbers a second. It is process $id."
    Show-Number 1 8

    Write-Step 'Freeze it into an image. It is killed once the image is safe on disk.' "Invoke-CracCheckpoint -Id $id -ImagePath $image"
    $frozen = Invoke-CracCheckpoint -Id $id -ImagePath $image -PidTimeout 20
    $frozen | Show-Object
    $before = (Get-Number)[-1]

    Write-Step "It is gone; the last number it wrote is $before." "Get-Process -Id $id"
    $left = Get-Process -Id $id -ErrorAction Ignore
    if ($left) {
        throw "Process $id still runs."
    }
    Write-Host "There is no process $id." -ForegroundColor Yellow
    Start-Sleep -Seconds 2

    Write-Step 'Bring it back.' "Restore-CracProcess $image"
    $restored = Restore-CracProcess $image
    $restored | Show-Object
    if ($restored.Id -ne $id) {
        throw "It came back as $($restored.Id)."
    }

    Write-Step "It goes on with $($before + 1), as process $($restored.Id), as if nothing had happened."
    Show-Number ($before + 1) 8

    Write-Step 'End it.' "Stop-Process -Id $id"
    Stop-Process -Id $id
    Wait-Process -Id $id -Timeout 20 -ErrorAction Ignore
    $id = $null

    $numbers = Get-Number
    for ($i = 0; $i -lt $numbers.Count; $i++) {
        if ($numbers[$i] -ne $i + 1) {
            throw "Line $($i + 1) holds $($numbers[$i])."
        }
    }
    $ok = $true
    Write-Step "Checked: 1 to $($numbers[-1]), not one number lost or repeated."
}
catch {
    Write-Host "`nThe demo failed: $($_.Exception.Message)" -ForegroundColor Red
    if ($_.ErrorDetails) {
        Write-Host $_.ErrorDetails.RecommendedAction
    }
}
finally {
    if ($id) {
        Stop-Process -Id $id -Force -ErrorAction Ignore
    }
    Remove-Item -LiteralPath $folder -Recurse -Force -ErrorAction Ignore
}

exit ($ok ? 0 : 1)
