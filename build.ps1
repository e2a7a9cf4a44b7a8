#!/usr/bin/env pwsh
#Requires -Version 7.6

<#
.SYNOPSIS
Every task of a developer of PSCrac. On a fresh machine run build.sh, which fetches what is missing and calls this.

.DESCRIPTION
Build    compiles everything and stages an importable module under out/PSCrac
Test     Build, then the xunit and the Pester tests; the last line is 'N passed, N failed, N skipped'. A test that wants
         a program which is not installed is skipped; tests/programs.txt lists them, build.sh --with-programs installs them.
         A run of all tests also says how much of the engine the xunit tests reach (TestResults/coverage.xml)
Demo     Build, then samples/demo.ps1
Bench    Build, then everything under bench/
Analyze  PSScriptAnalyzer, dotnet format and, where it is installed, shellcheck; changes nothing
Help     Build, then has PlatyPS bring the pages under docs/help up to date with the cmdlets' parameters
Package  Build, then packs the module as the PowerShell Gallery takes it, under out/: one package for each architecture
Clean    removes what the other tasks made, but not .tools

.EXAMPLE
./build.ps1 -Task Test -Filter Restore

Runs the tests with 'Restore' in their names.
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('Build', 'Test', 'Demo', 'Bench', 'Analyze', 'Help', 'Package', 'Clean')]
    [string] $Task = 'Build',

    [ValidateSet('Release', 'Debug')]
    [string] $Configuration = 'Release',

    # Runs only tests whose names contain this.
    [string] $Filter,

    # Runs only the tests that the last run skipped for want of a program.
    [switch] $OnlySkipped,

    # Fails where Pester cannot be had, instead of leaving its tests out.
    [switch] $RequirePester,

    # Counts a test as failed that is skipped for want of a program.
    [switch] $RequirePrograms
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$root = $PSScriptRoot
$out = Join-Path $root 'out'
$staged = Join-Path $out 'PSCrac'
$stampPath = Join-Path $out '.build'
$results = Join-Path $root 'TestResults'
$coveragePath = Join-Path $results 'coverage.xml'
$coveringTests = 'PSCrac.Native.Tests'
$toolModules = Join-Path $root '.tools' 'Modules'
$assemblies = 'PSCrac', 'PSCrac.Native', 'crac-start'

# The development modules: from which version to below which they serve, and the one that a package feed has
# (tools/Modules), if any.
$moduleVersions = @{
    'Pester'                       = @{ Minimum = '5.7.0'; Below = '6.0'; Package = '5.9.1' }
    'PSScriptAnalyzer'             = @{ Minimum = '1.23.0'; Below = '2.0'; Package = $null }
    'Microsoft.PowerShell.PlatyPS' = @{ Minimum = '1.0.0'; Below = '2.0'; Package = $null }
}

# No words for a first run, and no build servers that outlive it.
$environment = @{
    DOTNET_NOLOGO                 = '1'
    DOTNET_CLI_TELEMETRY_OPTOUT   = '1'
    DOTNET_CLI_USE_MSBUILD_SERVER = '0'
    MSBUILDDISABLENODEREUSE       = '1'
    UseSharedCompilation          = 'false'
    PSModulePath                  = $toolModules + [IO.Path]::PathSeparator + $env:PSModulePath
}

#region Small things

function Write-Fact([string] $Subject, [string] $Fact) {
    Write-Host ('{0,-7} {1}' -f $Subject, $Fact)
}

# A path as a person in the repository would type it.
function Get-ShortPath([string] $Path) {
    $relative = [IO.Path]::GetRelativePath($root, $Path)
    $relative.StartsWith('..') ? $Path : $relative
}

# The PowerShell that runs this. As a .NET tool it has no executable of its own, but a command on the PATH.
function Get-PwshCommand {
    $own = Join-Path $PSHOME 'pwsh'
    (Test-Path -LiteralPath $own) ? $own : 'pwsh'
}

function Clear-Tree([string[]] $Path) {
    foreach ($item in $Path) {
        if (Test-Path -LiteralPath $item) {
            Remove-Item -LiteralPath $item -Recurse -Force
        }
    }
}

# Names, sizes and times of files: the same again when nothing has changed.
function Get-Fingerprint([IO.FileInfo[]] $File) {
    $lines = $File |
        Sort-Object -Property FullName -Culture '' |
        ForEach-Object { '{0}|{1}|{2}' -f $_.FullName, $_.Length, $_.LastWriteTimeUtc.Ticks }
    $bytes = [Text.Encoding]::UTF8.GetBytes($lines -join "`n")
    [Convert]::ToHexString([Security.Cryptography.SHA256]::HashData($bytes))
}

#endregion

#region Development modules

# The module as its package has it; else the newest installed one that serves; else one from the Gallery. Otherwise
# nothing, and $reason says why.
function Find-ToolModule([string] $Name, [ref] $Reason) {
    $wanted = $moduleVersions[$Name]
    $problems = @()
    if ($wanted.Package -and -not (Test-Path -LiteralPath (Join-Path $toolModules $Name $wanted.Package))) {
        $problems += Save-PackagedModule
    }
    $find = {
        Get-Module -Name $Name -ListAvailable |
            Where-Object { $_.Version -ge $wanted.Minimum -and $_.Version -lt $wanted.Below } |
            Sort-Object -Property { $_.Version -ne $wanted.Package }, @{ Expression = 'Version'; Descending = $true } |
            Select-Object -First 1
    }
    $found = & $find
    if (-not $found) {
        $problems += Save-ToolModule $Name "[$($wanted.Minimum), $($wanted.Below))"
        $found = & $find
        if (-not $found) {
            $Reason.Value = "there is no $Name $($wanted.Minimum) or later, and $($problems.Where({ $_ }) -join ', and ')"
            return
        }
    }
    Write-Fact $Name "$($found.Version), $(Get-ShortPath $found.ModuleBase)"
    $found
}

# Fetches the modules that tools/Modules names by NuGet into .tools/Modules, and returns what went wrong.
function Save-PackagedModule {
    $log = & dotnet msbuild (Join-Path $root 'tools' 'Modules') -restore -t:SaveModules -nologo -v:minimal
    if ($LASTEXITCODE -ne 0) {
        "NuGet did not give it ($(@($log -match '\berror\b')[0] -replace '^.*?\berror\b\s*' -replace '\s*\[[^\]]*\]$'))"
    }
}

# Fetches a module into .tools/Modules, whole or not at all, and returns what went wrong.
function Save-ToolModule([string] $Name, [string] $Range) {
    $save = Get-Command -Name Save-PSResource -ErrorAction Ignore
    if (-not $save) {
        return 'this PowerShell has no Save-PSResource to fetch it with'
    }
    $fetched = Join-Path $root '.tools' "Modules.$PID"
    try {
        $null = New-Item -ItemType Directory -Path $fetched, $toolModules -Force
        Save-PSResource -Name $Name -Version $Range -Repository PSGallery -Path $fetched -TrustRepository -ErrorAction Stop
        foreach ($module in Get-ChildItem -LiteralPath $fetched -Directory) {
            $target = Join-Path $toolModules $module.Name
            Clear-Tree $target
            [IO.Directory]::Move($module.FullName, $target)
        }
    }
    catch {
        return "the PowerShell Gallery did not give it ($($_.Exception.Message.Split("`n")[0].Trim()))"
    }
    finally {
        Clear-Tree $fetched
    }
}

#endregion

#region Build

function Get-SourceFile {
    Get-ChildItem -LiteralPath $root -File -Exclude '.gitignore', '*.md'
    foreach ($folder in 'src', 'tests', 'samples', 'bench', 'tools', 'docs/help') {
        $path = Join-Path $root $folder
        if (Test-Path -LiteralPath $path) {
            [IO.DirectoryInfo]::new($path).EnumerateFiles('*', 'AllDirectories') |
                Where-Object FullName -NotMatch '/(bin|obj|BenchmarkDotNet\.Artifacts)/'
        }
    }
}

function Get-BuiltFile {
    foreach ($folder in 'src', 'tests', 'samples', 'bench', 'tools') {
        $path = Join-Path $root $folder
        if (Test-Path -LiteralPath $path) {
            [IO.DirectoryInfo]::new($path).EnumerateFiles('*.dll', 'AllDirectories') |
                Where-Object FullName -Match "/bin/$Configuration/"
        }
    }
    if (Test-Path -LiteralPath $staged) {
        [IO.DirectoryInfo]::new($staged).EnumerateFiles('*', 'AllDirectories')
    }
}

function Get-BuildStamp {
    '{0} {1} {2}' -f $Configuration, (Get-Fingerprint (Get-SourceFile)), (Get-Fingerprint (Get-BuiltFile))
}

# Writes what Get-Help shows into a folder, from the pages under docs/help.
function Export-Help([string] $Folder) {
    $builder = Join-Path $root 'tools' 'HelpBuilder' 'bin' $Configuration 'net10.0' 'HelpBuilder.dll'
    $problems = & dotnet $builder (Join-Path $root 'docs' 'help') $Folder 2>&1
    if ($LASTEXITCODE -ne 0) {
        $problems | ForEach-Object { Write-Host "$_" }
        throw 'the help could not be made of the pages under docs/help'
    }
}

# Writes a file of formats without the blanks between its elements, and without comments: PowerShell keeps each as a node of its
# own when it imports the module, which takes it as long as all the rest of the file.
function Export-Format([string] $Path, [string] $Destination) {
    $document = [xml]::new()
    $document.Load($Path)
    foreach ($comment in $document.SelectNodes('//comment()')) { $null = $comment.ParentNode.RemoveChild($comment) }
    $settings = [Xml.XmlWriterSettings]::new()
    $settings.NewLineHandling = 'None'
    $writer = [Xml.XmlWriter]::Create($Destination, $settings)
    try { $document.Save($writer) } finally { $writer.Dispose() }
}

# Compiles the assemblies of a folder ahead (ReadyToRun) into another, and returns why that had to be left out; nothing where
# this machine or configuration takes them as they are. The framework's code and PowerShell's are called, never taken over, so
# that what comes out serves with other versions of them.
function Export-NativeCode([string] $From, [string] $Into) {
    if ($Configuration -ne 'Release' -or [Runtime.InteropServices.RuntimeInformation]::OSArchitecture -ne 'X64') {
        return
    }
    $project = Join-Path $root 'tools' 'ReadyToRun'
    $log = & dotnet msbuild $project -t:Restore -nologo -v:minimal
    if ($LASTEXITCODE -ne 0) {
        return "native code, the assemblies are plain IL ($(@($log -match '\berror\b')[0] -replace '^.*?\berror\b\s*' -replace '\s*\[[^\]]*\]$'))"
    }
    $compiler = & dotnet msbuild $project -getProperty:Compiler
    $references = @(
        (Join-Path (Split-Path ([object].Assembly.Location)) '*.dll')
        (Join-Path $PSHOME 'System.Management.Automation.dll')
        (Join-Path $From 'PSCrac.Native.dll')
    ) | ForEach-Object { '--reference', $_ }
    foreach ($name in $assemblies) {
        $log = & $compiler (Join-Path $From "$name.dll") --out (Join-Path $Into "$name.dll") --targetos linux --targetarch x64 --optimize @references
        if ($LASTEXITCODE -ne 0) {
            $log | Out-Host
            throw "$name.dll could not be compiled ahead"
        }
    }
}

# Compiles crac-start ahead (NativeAOT) for an architecture into a folder, and returns why that had to be left out. What was made of
# the same sources is used again.
function Export-StartProgram([string] $Into, [string] $Architecture) {
    $isOwn = $Architecture -eq "$([Runtime.InteropServices.RuntimeInformation]::OSArchitecture)".ToLowerInvariant()
    $linker = $isOwn ? @('clang', 'gcc') : @($Architecture -eq 'arm64' ? 'aarch64-linux-gnu-gcc' : 'x86_64-linux-gnu-gcc')
    $found = Get-Command -Name $linker -CommandType Application -ErrorAction Ignore | Select-Object -First 1
    if (-not $found) {
        return "crac-start compiled ahead for linux-$Architecture, dotnet runs it (there is no $($linker -join ' or '), which links it)"
    }
    $project = Join-Path $root 'tools' 'NativeStart'
    $made = Join-Path $out 'start' "linux-$Architecture"
    $program = Join-Path $made 'crac-start'
    $stamp = Join-Path $made '.build'
    $sources = foreach ($folder in 'src/PSCrac.Native', 'src/PSCrac.Start', 'tools/NativeStart') {
        [IO.DirectoryInfo]::new((Join-Path $root $folder)).EnumerateFiles('*', 'AllDirectories') | Where-Object FullName -NotMatch '/(bin|obj)/'
    }
    $now = "$Configuration $(Get-Fingerprint $sources) $($found.Source)"
    if (-not ((Test-Path -LiteralPath $program) -and (Test-Path -LiteralPath $stamp) -and (Get-Content -LiteralPath $stamp -Raw).Trim() -eq $now)) {
        Clear-Tree $made
        $log = & dotnet publish $project --configuration $Configuration --runtime "linux-$Architecture" --output $made --nologo --verbosity quiet "-p:CppCompilerAndLinker=$($found.Name)" "-p:ObjCopyName=$($found.Name -match '-gcc$' ? ($found.Name -replace 'gcc$', 'objcopy') : '')"
        if ($LASTEXITCODE -ne 0) {
            Clear-Tree $made
            return "crac-start compiled ahead for linux-$Architecture, dotnet runs it ($(@($log -match '\berror\b')[0] -replace '^.*?\berror\b\s*' -replace '\s*\[[^\]]*\]$'))"
        }
        Set-Content -LiteralPath $stamp -Value $now
    }
    Copy-Item -LiteralPath $program -Destination $Into
}

function Invoke-Build {
    if ((Test-Path -LiteralPath $stampPath) -and (Get-Content -LiteralPath $stampPath -Raw).Trim() -eq (Get-BuildStamp)) {
        Write-Fact 'build' "$(Get-ShortPath $staged) is up to date"
        return
    }
    $manifest = Import-PowerShellDataFile -LiteralPath (Join-Path $root 'PSCrac.psd1')
    $version = ([xml](Get-Content -LiteralPath (Join-Path $root 'Directory.Build.props') -Raw)).SelectSingleNode('//Version').InnerText
    if ($manifest.ModuleVersion -ne $version) {
        throw "PSCrac.psd1 is version $($manifest.ModuleVersion), Directory.Build.props is $version"
    }

    # Silent unless it fails: warnings are errors.
    $log = & dotnet build (Join-Path $root 'PSCrac.slnx') --configuration $Configuration --nologo --verbosity quiet
    if ($LASTEXITCODE -ne 0) {
        $log | Out-Host
        throw 'the build failed'
    }

    $stage = Join-Path $out ".PSCrac.$PID"
    $replaced = Join-Path $out ".PSCrac.$PID.replaced"
    try {
        Clear-Tree $stage
        $null = New-Item -ItemType Directory -Path $stage -Force
        $source = Join-Path $root 'src' 'PSCrac'
        $built = Join-Path $source 'bin' $Configuration 'net10.0'
        Copy-Item -Destination $stage -LiteralPath @(
            Join-Path $root 'PSCrac.psd1'
            Join-Path $root 'LICENSE'
            foreach ($name in $assemblies) { Join-Path $built "$name.dll" }
            foreach ($name in 'PSCrac.pdb', 'PSCrac.Native.pdb', 'crac-start.runtimeconfig.json', 'service.schema.json') { Join-Path $built $name }
        )
        foreach ($name in $manifest.FormatsToProcess) { Export-Format (Join-Path $source $name) (Join-Path $stage $name) }
        $leftOut = @(
            Export-NativeCode $built $stage
            Export-StartProgram $stage "$([Runtime.InteropServices.RuntimeInformation]::OSArchitecture)".ToLowerInvariant()
        ) -join '; '
        Export-Help (Join-Path $stage 'en-US')
        $null = Test-ModuleManifest -Path (Join-Path $stage 'PSCrac.psd1')

        # Sessions that have the old one loaded keep their files; new ones get the new module.
        if (Test-Path -LiteralPath $staged) { [IO.Directory]::Move($staged, $replaced) }
        [IO.Directory]::Move($stage, $staged)
    }
    finally {
        Clear-Tree $stage, $replaced
    }
    # With something left out, the next build tries again.
    Clear-Tree $stampPath
    if (-not $leftOut) { Set-Content -LiteralPath $stampPath -Value (Get-BuildStamp) }
    Write-Fact 'build' "PSCrac $version, $Configuration, in $(Get-ShortPath $staged)$($leftOut ? "; left out: $leftOut" : '')"
}

#endregion

#region Test

# The results of an xunit project's last run; nothing where there are none.
function Read-Trx([string] $Project) {
    $path = Join-Path $results "$Project.trx"
    if (Test-Path -LiteralPath $path) { ([xml](Get-Content -LiteralPath $path -Raw)).TestRun }
}

# A test that was skipped, where it is found again (a test's full name; for Pester a line of its list), and why.
function New-SkippedTest([string] $Name, [string] $Where, [string] $Reason) {
    $program = $Reason -match '^there is no (?<name>[\w-]+)$' ? $Matches.name : $null
    [pscustomobject]@{ Name = $Name; Where = $Where; Reason = $Reason; Program = $program }
}

function Get-SkippedXunitTest($Run) {
    foreach ($result in $Run.SelectNodes("//*[local-name() = 'UnitTestResult' and @outcome = 'NotExecuted']")) {
        # A test's name may be another for the reader; its class and method are told elsewhere.
        $method = $Run.SelectSingleNode("//*[local-name() = 'UnitTest' and @id = '$($result.testId)']/*[local-name() = 'TestMethod']")
        $name = $method.className + '.' + ($method.name -replace '\(.*')
        New-SkippedTest $name $name "$($result.SelectSingleNode("descendant::*[local-name() = 'Message']")?.InnerText)"
    }
}

function Get-SkippedPesterTest($Summary) {
    foreach ($test in $Summary.SkippedTests) { New-SkippedTest $test.Name $test.Line $test.Reason }
}

# What the last run skipped for want of a program, by suite.
function Get-LastSkipped {
    $found = @{}
    foreach ($file in Get-ChildItem -Path (Join-Path $results '*.trx') -ErrorAction Ignore) {
        $found[$file.BaseName] = @(Get-SkippedXunitTest (Read-Trx $file.BaseName))
    }
    $summary = Join-Path $results 'pester.json'
    if (Test-Path -LiteralPath $summary) {
        $found.Pester = @(Get-SkippedPesterTest (Get-Content -LiteralPath $summary -Raw | ConvertFrom-Json))
    }
    if (-not $found.Count) {
        throw "there are no results of an earlier run in $(Get-ShortPath $results); run the tests without -OnlySkipped first"
    }
    foreach ($name in @($found.Keys)) { $found[$name] = @($found[$name] | Where-Object Program | ForEach-Object Where | Sort-Object -Unique) }
    $found
}

# Runs one xunit project, or some tests of it, and returns its counts, taken from its results file.
function Invoke-XunitProject([IO.FileInfo] $Project, [string[]] $Test) {
    # Of some tests alone it would say nothing, and it takes seconds.
    $isCovered = $Project.BaseName -eq $coveringTests -and -not $Test -and -not $Filter
    $arguments = @(
        'test', $Project.FullName, '--configuration', $Configuration, '--no-build', '--nologo'
        '--results-directory', $results, '--logger', "trx;LogFileName=$($Project.BaseName).trx"
        if ($Test) { '--filter', ($Test.ForEach({ "FullyQualifiedName=$_" }) -join '|') }
        elseif ($Filter) { '--filter', "FullyQualifiedName~$Filter" }
        if ($isCovered) { '--collect', 'XPlat Code Coverage', '--settings', (Join-Path $root 'tests' 'coverage.runsettings') }
    )
    & dotnet @arguments | Out-Host
    $ended = $LASTEXITCODE -eq 0
    $counts = @{ Name = $Project.BaseName; Passed = 0; Failed = 0; Skipped = 0; Ended = $ended; Failures = @(); SkippedTests = @() }
    # Each run's is in a folder of its own.
    if ($isCovered) { Move-Item -Path (Join-Path $results '*' 'coverage.cobertura.xml') -Destination $coveragePath }
    $run = Read-Trx $Project.BaseName
    if ($run) {
        # 'notExecuted' is always 0 there.
        $counters = $run.ResultSummary.Counters
        $counts.Passed = [int] $counters.passed
        $counts.Failed = [int] $counters.executed - [int] $counters.passed
        $counts.Skipped = [int] $counters.total - [int] $counters.executed
        $counts.Failures = @(
            foreach ($result in $run.SelectNodes("//*[local-name() = 'UnitTestResult' and @outcome = 'Failed']")) {
                "$($result.testName)`n$($result.SelectSingleNode("descendant::*[local-name() = 'Message']")?.InnerText)"
            }
        )
        $counts.SkippedTests = @(Get-SkippedXunitTest $run)
    }
    $counts
}

# Runs the Pester tests, or those of a list, in a process of their own and returns their counts, taken from Pester's result
# object.
function Invoke-PesterFolder([string[]] $List) {
    $listPath = Join-Path $results 'pester.list'
    if ($List) { Set-Content -LiteralPath $listPath -Value $List }
    $summary = Join-Path $results 'pester.json'
    $arguments = @(
        '-NoLogo', '-NoProfile', '-NonInteractive', '-File', (Join-Path $root 'tests' 'Pester' 'Invoke-PSCracTest.ps1')
        '-SummaryPath', $summary, '-ResultPath', (Join-Path $results 'pester.xml')
        if ($List) { '-ListPath', $listPath }
        elseif ($Filter) { '-Filter', $Filter }
        if ([Console]::IsOutputRedirected) { '-Plain' }
    )
    & (Get-PwshCommand) @arguments | Out-Host
    $counts = @{ Name = 'Pester'; Passed = 0; Failed = 0; Skipped = 0; Ended = Test-Path -LiteralPath $summary; Failures = @(); SkippedTests = @() }
    if ($counts.Ended) {
        $read = Get-Content -LiteralPath $summary -Raw | ConvertFrom-Json
        foreach ($name in 'Passed', 'Failed', 'Skipped') { $counts[$name] = [int] $read.$name }
        $counts.Failures = @($read.Failures)
        $counts.SkippedTests = @(Get-SkippedPesterTest $read)
    }
    $counts
}

# Says which tests were skipped and why, a line for each reason, and returns how many were for want of a program.
function Show-SkippedTest($Tests) {
    foreach ($group in $Tests | Group-Object -Property Reason) {
        $names = @($group.Group.Name | Sort-Object -Unique)
        $shown = ($names | Select-Object -First 3) -join ', '
        Write-Host "skipped: $($group.Name): $shown$($names.Count -gt 3 ? " and $($names.Count - 3) more" : '')"
    }
    $wanting = @($Tests | Where-Object Program)
    $missing = @($wanting | ForEach-Object Program | Sort-Object -Unique)
    $installable = (Get-Content -LiteralPath (Join-Path $root 'tests' 'programs.txt')) -match '^[^#\s]+\s+[^-\s]' -replace '\s.*'
    if ($missing | Where-Object { $_ -in $installable }) {
        Write-Host "./build.sh test --with-programs installs what is missing and runs all tests; with --only-skipped, those that were skipped"
    }
    $wanting.Count
}

# Says how much of each assembly the xunit tests reached, where that was collected.
function Show-Coverage {
    if (-not (Test-Path -LiteralPath $coveragePath)) { return }
    foreach ($assembly in ([xml](Get-Content -LiteralPath $coveragePath -Raw)).coverage.packages.package) {
        Write-Host ('coverage: {0:p1} of the lines and {1:p1} of the branches of {2}, by the xunit tests' -f @(
                [double] $assembly.'line-rate', [double] $assembly.'branch-rate', $assembly.name))
    }
}

function Invoke-Test {
    if ($OnlySkipped -and $Filter) {
        throw '-OnlySkipped and -Filter are not for the same run'
    }
    $only = $OnlySkipped ? (Get-LastSkipped) : @{}
    Invoke-Build
    Clear-Tree $results
    $null = New-Item -ItemType Directory -Path $results

    $reason = ''
    $pester = Find-ToolModule 'Pester' ([ref] $reason)
    if ($RequirePester -and -not $pester) {
        throw "Pester is required: $reason"
    }

    $suites = @(
        foreach ($project in Get-ChildItem -Path (Join-Path $root 'tests' '*' '*.csproj')) {
            if (-not $OnlySkipped -or $only[$project.BaseName]) { Invoke-XunitProject $project $only[$project.BaseName] }
        }
        if ($pester -and (-not $OnlySkipped -or $only['Pester'])) { Invoke-PesterFolder $only['Pester'] }
    )
    Write-Host
    foreach ($suite in $suites) {
        # Once more at the end, where they are found: there are many lines of tests that passed.
        foreach ($failure in $suite.Failures) { Write-Host "failed: $failure`n" }
        # A suite that breaks off, or runs nothing, is a failure although no test of it failed.
        $ran = $suite.Passed + $suite.Failed + $suite.Skipped
        if ($suite.Failed -eq 0 -and (-not $suite.Ended -or ($ran -eq 0 -and -not $Filter))) {
            Write-Host "$($suite.Name) did not run to its end, or ran no test: counted as one failure"
            $suite.Failed = 1
        }
    }
    if (-not $pester) {
        Write-Host "left out: the Pester tests ($reason)"
    }
    if (-not $suites) {
        Write-Host 'the last run skipped no test for want of a program'
    }
    $wanting = Show-SkippedTest @($suites | ForEach-Object { $_.SkippedTests })
    $sum = @{}
    foreach ($name in 'Passed', 'Failed', 'Skipped') { $sum[$name] = [int] ($suites | ForEach-Object { $_[$name] } | Measure-Object -Sum).Sum }
    if ($RequirePrograms -and $wanting) {
        Write-Host "$wanting of the skipped want a program, which --with-programs should have installed: counted as failed"
        $sum.Failed += $wanting
        $sum.Skipped -= $wanting
    }
    Show-Coverage
    Write-Host "$($sum.Passed) passed, $($sum.Failed) failed, $($sum.Skipped) skipped"
    $script:exitCode = $sum.Failed -eq 0 ? 0 : 1
}

#endregion

#region The other tasks

function Invoke-Demo {
    Invoke-Build
    & (Get-PwshCommand) -NoLogo -NoProfile -NonInteractive -File (Join-Path $root 'samples' 'demo.ps1')
    $script:exitCode = $LASTEXITCODE
}

function Invoke-Bench {
    Invoke-Build
    $failed = @(
        foreach ($project in Get-ChildItem -Path (Join-Path $root 'bench' '*' '*.csproj') -ErrorAction Ignore) {
            & dotnet run --project $project.FullName --configuration $Configuration | Out-Host
            if ($LASTEXITCODE -ne 0) { $project.BaseName }
        }
        foreach ($script in Get-ChildItem -Path (Join-Path $root 'bench' '*.ps1') -ErrorAction Ignore) {
            & (Get-PwshCommand) -NoLogo -NoProfile -NonInteractive -File $script.FullName | Out-Host
            if ($LASTEXITCODE -ne 0) { $script.BaseName }
        }
    )
    if ($failed) {
        throw "these benchmarks failed: $($failed -join ', ')"
    }
}

function Invoke-Analyze {
    $problems = 0
    $reason = ''
    $analyzer = Find-ToolModule 'PSScriptAnalyzer' ([ref] $reason)
    if ($analyzer) {
        Import-Module $analyzer.Path
        $settings = Join-Path $root 'PSScriptAnalyzerSettings.psd1'
        # The manifest names files that are beside it only once it is staged: Build has it checked there.
        $scripts = Get-SourceFile | Where-Object { $_.Extension -in '.ps1', '.psm1', '.psd1' -and $_.Name -ne 'PSCrac.psd1' }
        $records = @($scripts | ForEach-Object { Invoke-ScriptAnalyzer -Path $_.FullName -Settings $settings })
        foreach ($record in $records) {
            Write-Host "$(Get-ShortPath $record.ScriptPath):$($record.Line):$($record.Column): $($record.Severity) $($record.RuleName): $($record.Message)"
        }
        Write-Fact 'scripts' "$($records.Count) findings in $(@($scripts).Count) files"
        $problems += $records.Count
    }
    else {
        Write-Fact 'scripts' "left out: $reason"
    }

    if (Get-Command -Name shellcheck -CommandType Application -ErrorAction Ignore) {
        & shellcheck (Join-Path $root 'build.sh') (Join-Path $root '.ci' 'run')
        Write-Fact 'shell' ($LASTEXITCODE -eq 0 ? 'no findings' : 'findings above')
        $problems += $LASTEXITCODE
    }
    else {
        Write-Fact 'shell' 'left out: there is no shellcheck on the PATH'
    }

    & dotnet format (Join-Path $root 'PSCrac.slnx') --verify-no-changes
    Write-Fact 'C#' ($LASTEXITCODE -eq 0 ? 'no findings' : 'findings above')
    $problems += $LASTEXITCODE
    $script:exitCode = $problems -eq 0 ? 0 : 1
}

function Invoke-Help {
    Invoke-Build
    $reason = ''
    $platyPS = Find-ToolModule 'Microsoft.PowerShell.PlatyPS' ([ref] $reason)
    if (-not $platyPS) {
        throw "only PlatyPS brings the pages up to date (the build makes the help of them without it): $reason"
    }
    # In a process of its own, since it loads the module; and from a copy without help, since PlatyPS would add what
    # Get-Help says to what stands in the page.
    $pages = Join-Path $root 'docs' 'help'
    $bare = Join-Path $out ".help.$PID"
    Clear-Tree $bare
    $null = New-Item -ItemType Directory -Path $bare
    Copy-Item -Path (Join-Path $staged '*') -Destination $bare -Exclude 'en-US' -Recurse
    & (Get-PwshCommand) -NoLogo -NoProfile -NonInteractive -Command {
        param($platyPS, $module, $pages)
        $ErrorActionPreference = 'Stop'
        Import-Module $platyPS, $module
        $null = New-Item -ItemType Directory -Path $pages -Force
        foreach ($command in Get-Command -Module PSCrac -CommandType Cmdlet) {
            $page = Join-Path $pages "$($command.Name).md"
            if (Test-Path -LiteralPath $page) {
                $null = Update-MarkdownCommandHelp -LiteralPath $page -NoBackup
                # Without the byte order mark that it puts there.
                [IO.File]::WriteAllText($page, [IO.File]::ReadAllText($page))
                "updated $($command.Name).md"
            }
            else {
                $made = New-MarkdownCommandHelp -CommandInfo $command -OutputFolder "$pages.new"
                Move-Item -LiteralPath $made.FullName -Destination $page
                "made $($command.Name).md, to be written"
            }
        }
        if (Test-Path -LiteralPath "$pages.new") { Remove-Item -LiteralPath "$pages.new" -Recurse }
    } -args $platyPS.Path, (Join-Path $bare 'PSCrac.psd1'), $pages | Out-Host
    Clear-Tree $bare
    if ($LASTEXITCODE -ne 0) {
        throw 'the pages could not be brought up to date'
    }
    Invoke-Build
}

function Invoke-Package {
    Invoke-Build
    if (-not (Test-Path -LiteralPath (Join-Path $staged 'en-US' 'PSCrac.dll-Help.xml'))) {
        throw "the module is not packed without its cmdlets' help"
    }
    $version = (Import-PowerShellDataFile -LiteralPath (Join-Path $staged 'PSCrac.psd1')).ModuleVersion
    $built = Join-Path $root 'src' 'PSCrac' 'bin' $Configuration 'net10.0'
    $files = $assemblies -replace '$', '.dll'
    $isAhead = $files.Where({ (Get-FileHash (Join-Path $staged $_)).Hash -ne (Get-FileHash (Join-Path $built $_)).Hash })
    # One for each architecture. An assembly compiled ahead for one does not load on the other; plain IL loads on both.
    foreach ($architecture in @(if ($isAhead) { 'x64' }) + 'arm64') {
        $tree = Join-Path $out ".package.$PID"
        $module = Join-Path $tree 'PSCrac' $version
        try {
            Clear-Tree $tree
            $null = New-Item -ItemType Directory -Path (Split-Path $module)
            Copy-Item -LiteralPath $staged -Destination $module -Recurse
            if ($architecture -ne 'x64') {
                Copy-Item -LiteralPath ($files | ForEach-Object { Join-Path $built $_ }) -Destination $module
            }
            Clear-Tree (Join-Path $module 'crac-start')
            $portable = Export-StartProgram $module $architecture
            if ($portable) { Write-Fact 'package' "left out: $portable" }
            if (Get-Command -Name Compress-PSResource -ErrorAction Ignore) {
                Compress-PSResource -Path $module -DestinationPath $tree
                $packed = Get-Item -Path (Join-Path $tree '*.nupkg')
            }
            else {
                # To be unpacked into a folder of PSModulePath.
                $packed = Join-Path $tree "PSCrac.$version.zip"
                [IO.Compression.ZipFile]::CreateFromDirectory((Join-Path $tree 'PSCrac'), $packed, 'Optimal', $true)
                $packed = Get-Item -LiteralPath $packed
            }
            $package = Join-Path $out "PSCrac.$version.linux-$architecture$($packed.Extension)"
            Move-Item -LiteralPath $packed -Destination $package -Force
        }
        finally {
            Clear-Tree $tree
        }
        Write-Fact 'package' "$(Get-ShortPath $package), $('{0:n0}' -f ((Get-Item -LiteralPath $package).Length / 1kb)) KiB, $($architecture -eq 'x64' ? 'compiled ahead' : 'plain IL'), $($portable ? 'dotnet runs crac-start' : 'crac-start compiled ahead')"
    }
}

function Invoke-Clean {
    Clear-Tree $out, $results, (Join-Path $root 'BenchmarkDotNet.Artifacts')
    foreach ($folder in 'src', 'tests', 'samples', 'bench', 'tools') {
        foreach ($name in 'bin', 'obj') {
            Get-ChildItem -Path (Join-Path $root $folder '*' $name) -Directory -ErrorAction Ignore |
                ForEach-Object { Clear-Tree $_.FullName }
        }
    }
}

#endregion

$exitCode = 0
$before = @{}
foreach ($name in $environment.Keys) {
    $before[$name] = [Environment]::GetEnvironmentVariable($name)
    [Environment]::SetEnvironmentVariable($name, $environment[$name])
}
try {
    if ($Task -ne 'Clean' -and -not (Get-Command -Name dotnet -CommandType Application -ErrorAction Ignore)) {
        throw 'there is no dotnet on the PATH; build.sh says what is needed'
    }
    & "Invoke-$Task"
}
catch {
    Write-Verbose $_.ScriptStackTrace
    [Console]::Error.WriteLine("build.ps1: $($_.Exception.Message)")
    $exitCode = 1
}
finally {
    # They belong to the session that called this.
    foreach ($name in $before.Keys) {
        [Environment]::SetEnvironmentVariable($name, $before[$name])
    }
}
exit $exitCode
