#Requires -Version 7.6
#Requires -Modules @{ ModuleName = 'Pester'; ModuleVersion = '5.7.0' }

<#
.SYNOPSIS
Runs the Pester tests in this folder on the module staged under out/PSCrac.

.DESCRIPTION
build.ps1 runs this in a process of its own, since an assembly cannot be loaded anew in a session that already has it.
It writes the counts to SummaryPath when the run came to its end, and leaves judging them to the caller.
#>
[CmdletBinding()]
param(
    # Runs only tests whose full name (Describe, Context, It) contains this.
    [string] $Filter,

    # Runs only the tests that this file lists: a line each, its file and its full name with a tab between them.
    [string] $ListPath,

    # Where the counts go, as JSON.
    [string] $SummaryPath,

    # Where the results go, as NUnit 3 XML.
    [string] $ResultPath,

    # No colours.
    [switch] $Plain
)

# Not Stop: the tests' own code would inherit it, and they are about what a user sees who has set nothing.

$configuration = New-PesterConfiguration
$configuration.Run.Path = $PSScriptRoot
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Detailed'
if ($Plain) {
    $configuration.Output.RenderMode = 'Plaintext'
}
if ($Filter) {
    $configuration.Filter.FullName = "*$Filter*"
}
if ($ListPath) {
    # By name, not by line: what is asked for by its line runs although it says that it is to be skipped.
    $list = @([IO.File]::ReadAllLines($ListPath))
    $configuration.Run.Path = @($list -replace '\t.*' | Sort-Object -Unique | ForEach-Object { Join-Path $PSScriptRoot $_ })
    # Whether or not the name still has the note that the test is skipped.
    $configuration.Filter.FullName = @(
        foreach ($line in $list) { ($line -replace '^.*\t' -split ' \(skipped: [^()]*\)').ForEach({ [WildcardPattern]::Escape($_) }) -join '*' }
    )
}
if ($ResultPath) {
    $configuration.TestResult.Enabled = $true
    $configuration.TestResult.OutputFormat = 'NUnit3'
    $configuration.TestResult.OutputPath = $ResultPath
}

$run = Invoke-Pester -Configuration $configuration

# Without a run, which Pester has then said why, there is nothing to sum up.
if ($run -and $SummaryPath) {
    @{
        Passed   = $run.PassedCount
        # A file that cannot be read, or a BeforeAll outside a test, fails without a failed test.
        Failed   = $run.FailedCount + $run.FailedContainersCount + $(if ($run.FailedCount -eq 0) { $run.FailedBlocksCount } else { 0 })
        Skipped  = $run.SkippedCount + $run.InconclusiveCount
        SkippedTests = @(
            foreach ($test in $run.Skipped) {
                # The reason is in the name (Get-SkipNote), or was given while the test ran.
                $reason = "$($test.ExpandedPath) $($test.ErrorRecord)" -match '\(skipped: (?<why>[^()]+)\)|, because (?<why>.+)' ? $Matches.why : 'no reason given'
                $line = "$(Split-Path -Leaf $test.ScriptBlock.File)`t$($test.Path -join '.')"
                @{ Line = $line; Name = $test.ExpandedPath -replace ' \(skipped: [^()]*\)'; Reason = $reason }
            }
        )
        Failures = @(
            foreach ($item in @($run.Failed) + @($run.FailedBlocks) + @($run.FailedContainers)) {
                $name = $item.PSObject.Properties['ExpandedPath']?.Value ?? $item.Item
                "$name`n$(@($item.ErrorRecord | ForEach-Object { "$_" }) -join "`n")"
            }
        )
    } | ConvertTo-Json -Depth 3 | Set-Content -LiteralPath $SummaryPath
}
