# What the test files share: a folder and an environment of their own for each, programs to checkpoint, and the look
# at the end for anything that was left behind.

$script:root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
$script:module = Join-Path $script:root 'out/PSCrac/PSCrac.psd1'

# The programs of the system that single tests want.
$script:programs = [IO.File]::ReadAllLines("$PSScriptRoot/../programs.txt").Where({ $_ -and $_[0] -ne '#' }).ForEach({ $_.Split(' ')[0] })

# A process that carries this variable was started by the tests, or restored from one that was.
$script:marker = 'PSCRAC_TEST_RUN'
$script:folder = $null
$script:started = $null
$script:before = @{}

<#
.SYNOPSIS
Why tests that checkpoint something, and want these programs of tests/programs.txt, cannot run here; nothing where they can.
#>
function Get-CriuObstacle([string[]] $Program) {
    # Listed or not is said everywhere, not only where something is missing.
    foreach ($name in $Program) {
        if (-not $script:programs.Contains($name)) { throw "a test wants $name, which tests/programs.txt does not list" }
    }
    if (-not [Environment]::IsPrivilegedProcess) { return 'needs root' }
    foreach ($name in $Program) {
        if (-not (Find-Program $name)) { return "there is no $name" }
    }
}

<#
.SYNOPSIS
What to add to the name of a test that is skipped for this reason.
#>
function Get-SkipNote([string] $Reason) {
    if ($Reason) { " (skipped: $Reason)" } else { '' }
}

<#
.SYNOPSIS
The path of a program: the checkout's own, else the system's; nothing where there is none. Names that lead to a script (a version
manager's) are followed.
#>
function Find-Program([string] $Name) {
    $own = Join-Path $script:root ".tools/$Name/bin/$Name"
    if (Test-Path -LiteralPath $own) { return $own }
    if ($Name -eq 'python3') {
        # Asked of itself: the name may lead to a script that chooses a version.
        $path = Get-Command -Name python3 -CommandType Application -ErrorAction Ignore | Select-Object -First 1
        return $(if ($path) { & $path.Source -c 'import sys; print(sys.executable)' })
    }
    (Get-Command -Name $Name -CommandType Application -ErrorAction Ignore | Select-Object -First 1).Source
}

<#
.SYNOPSIS
Gives a test file the staged module, a folder, and an image root, a log root and a state root inside it. Returns the folder.
#>
function Enter-CracTest {
    [CmdletBinding()]
    param()
    if (-not (Test-Path -LiteralPath $script:module)) {
        throw "there is no $($script:module): run ./build.ps1 -Task Build first"
    }
    Import-Module $script:module -Global
    $script:folder = [IO.Directory]::CreateTempSubdirectory('pscrac-test-').FullName
    $script:started = [Collections.Generic.List[int]]::new()
    Set-TestVariable $script:marker ([guid]::NewGuid().ToString('N'))
    Set-TestVariable 'PSCRAC_IMAGE_ROOT' (Join-Path $script:folder 'images')
    Set-TestVariable 'PSCRAC_LOG_ROOT' (Join-Path $script:folder 'logs')
    Set-TestVariable 'PSCRAC_STATE_ROOT' (Join-Path $script:folder 'state')
    $script:folder
}

<#
.SYNOPSIS
Ends what Start-TestProgram started, takes the folder and the environment away, and fails for anything else left behind.
#>
function Exit-CracTest {
    [CmdletBinding()]
    param()
    Stop-TestProgram
    $mark = "$($script:marker)=$([Environment]::GetEnvironmentVariable($script:marker))"
    # The parents of the programs end a moment after them.
    $end = [Environment]::TickCount64 + 5000
    while (($processes = @(Get-MarkedProcess $mark)) -and [Environment]::TickCount64 -lt $end) { [Threading.Thread]::Sleep(20) }
    foreach ($process in $processes) { Stop-Process -Id $process.Id -Force -ErrorAction Ignore }
    $mounts = @([IO.File]::ReadAllLines('/proc/self/mountinfo').Where({ $_.Contains($script:folder) }))
    $partial = @([IO.Directory]::EnumerateFileSystemEntries($script:folder, '.pscrac-*', 'AllDirectories'))
    Remove-Item -LiteralPath $script:folder -Recurse -Force
    foreach ($name in @($script:before.Keys)) {
        [Environment]::SetEnvironmentVariable($name, $script:before[$name])
    }
    $script:before.Clear()
    $left = @($processes.ForEach({ "process $($_.Id) ($($_.Command))" })) + @($mounts.ForEach({ "mount $_" })) + $partial
    if ($left) {
        throw "left behind by the tests: $($left -join '; ')"
    }
}

<#
.SYNOPSIS
Sets an environment variable until Exit-CracTest.
#>
function Set-TestVariable([string] $Name, [string] $Value) {
    if (-not $script:before.ContainsKey($Name)) {
        $script:before[$Name] = [Environment]::GetEnvironmentVariable($Name)
    }
    [Environment]::SetEnvironmentVariable($Name, $Value)
}

function Get-MarkedProcess([string] $Mark) {
    foreach ($directory in [IO.Directory]::EnumerateDirectories('/proc')) {
        $id = 0
        if ([int]::TryParse([IO.Path]::GetFileName($directory), [ref] $id) -and $id -ne $PID) {
            try {
                if ([IO.File]::ReadAllText("$directory/environ").Split("`0") -contains $Mark) {
                    [pscustomobject]@{ Id = $id; Command = [IO.File]::ReadAllText("$directory/comm").Trim() }
                }
            }
            catch [IO.IOException], [UnauthorizedAccessException] {
                # It ended meanwhile, or is not the tests'.
                continue
            }
        }
    }
}

<#
.SYNOPSIS
Starts a command line of bash in a session of its own, without a terminal, and returns its process id.
#>
function Start-TestProgram {
    [CmdletBinding()]
    [OutputType([int])]
    param(
        [Parameter(Mandatory)]
        [string] $Command,

        # Where its output goes.
        [string] $Output = '/dev/null'
    )
    # Its parent waits for it, so that a killed one is reaped at once: init may take a second for that, and has what is
    # restored anyway.
    $id = [int](bash -c "( setsid $Command </dev/null >'$Output' 2>&1 & echo `$!; exec >/dev/null 2>&1; wait ) &")
    $script:started.Add($id)
    Wait-Until { Test-Started $id } 'setsid hands over to the program'
    $id
}

# Whether setsid has made the process a session's leader and has become the program; or whether that ended already.
function Test-Started([int] $Id) {
    try {
        $stat = [IO.File]::ReadAllText("/proc/$Id/stat")
    }
    catch [IO.IOException] {
        return $true
    }
    $close = $stat.LastIndexOf(')')
    $words = $stat.Substring($close + 2).Split(' ')
    $stat.Substring(0, $close) -notmatch '\(setsid$' -and ([int] $words[3] -eq $Id -or $words[0] -eq 'Z')
}

<#
.SYNOPSIS
The ids of a process's children.
#>
function Get-ChildId([int] $Id) {
    foreach ($thread in [IO.Directory]::EnumerateDirectories("/proc/$Id/task")) {
        [IO.File]::ReadAllText("$thread/children").Split(' ', [StringSplitOptions]::RemoveEmptyEntries).ForEach([int])
    }
}

<#
.SYNOPSIS
Starts a loop of bash that appends the next number to a file every few hundredths of a second.
#>
function Start-Count([string] $Path) {
    $id = Start-TestProgram "bash -c 'i=0; while :; do i=`$((i+1)); echo `$i >> `"$Path`"; sleep 0.03; done'"
    Wait-Count $Path 2
    $id
}

<#
.SYNOPSIS
Kills what Start-TestProgram started, with all of its session, restored or not.
#>
function Stop-TestProgram {
    [CmdletBinding()]
    param()
    foreach ($id in $script:started) {
        # Each is the leader of a process group of its own.
        bash -c "kill -9 -$id $id 2>/dev/null"
    }
    Wait-Until { $script:started.TrueForAll({ -not (Test-Running $args[0]) }) } 'the test programs end'
    $script:started.Clear()
}

<#
.SYNOPSIS
Has Stop-TestProgram kill a process that was not started by Start-TestProgram.
#>
function Add-TestProgram([int] $Id) {
    $script:started.Add($Id)
}

<#
.SYNOPSIS
Whether a process runs. One that has ended and was not reaped yet does not.
#>
function Test-Running([int] $Id) {
    try {
        [IO.File]::ReadAllText("/proc/$Id/stat") -notmatch '\) [ZX] '
    }
    catch [IO.IOException] {
        $false
    }
}

<#
.SYNOPSIS
Waits until a condition holds, and fails when it does not within the time.
#>
function Wait-Until([scriptblock] $Condition, [string] $What, [int] $Seconds = 60) {
    $end = [Environment]::TickCount64 + $Seconds * 1000
    while (-not (& $Condition)) {
        if ([Environment]::TickCount64 -gt $end) {
            throw "waited $Seconds s in vain until $What"
        }
        [Threading.Thread]::Sleep(10)
    }
}

<#
.SYNOPSIS
The numbers that a counting program has written so far.
#>
function Get-Count([string] $Path) {
    if (-not [IO.File]::Exists($Path)) { return , @() }
    $text = [IO.File]::ReadAllText($Path)
    # A last line that is still being written does not count.
    , @($text.Substring(0, $text.LastIndexOf("`n") + 1).Split("`n", [StringSplitOptions]::RemoveEmptyEntries).ForEach([int]))
}

<#
.SYNOPSIS
Waits until a counting program has written a number, and returns the last one.
#>
function Wait-Count([string] $Path, [int] $Number) {
    Wait-Until { (Get-Count $Path).Count -ge $Number } "$Path counts to $Number"
}

<#
.SYNOPSIS
Waits until a counting program has written three numbers more.
#>
function Wait-CountingOn([string] $Path) {
    Wait-Count $Path ((Get-Count $Path).Count + 3)
}

<#
.SYNOPSIS
Whether an image is being made in the folder, and more than 1 MB of memory is in it already.
#>
function Test-DumpUnderWay([string] $Folder) {
    foreach ($file in [IO.Directory]::EnumerateFiles($Folder, 'pages-*.img', [IO.EnumerationOptions] @{ RecurseSubdirectories = $true; AttributesToSkip = 0 })) {
        if ($file.Contains('.partial/') -and ([IO.FileInfo] $file).Length -gt 1MB) { return $true }
    }
    $false
}

<#
.SYNOPSIS
The number at which a counting program lost or repeated one; nothing where it did not.
#>
function Find-Gap([string] $Path) {
    $numbers = Get-Count $Path
    for ($i = 0; $i -lt $numbers.Count; $i++) {
        if ($numbers[$i] -ne $i + 1) { return "line $($i + 1) is $($numbers[$i])" }
    }
}

<#
.SYNOPSIS
Runs PowerShell in a process of its own, with the module loaded, and returns what it wrote as text and its exit code.
#>
function Invoke-ChildPwsh {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [string] $Command,

        # Added to its environment; an empty value takes a variable away.
        [hashtable] $Environment = @{},

        # The module to load.
        [string] $Module = $script:module,

        # Words before pwsh, such as setpriv and its options.
        [string[]] $Prefix = @()
    )
    $words = @($Prefix) + @(Get-PwshCommand) + @('-NoLogo', '-NoProfile', '-NonInteractive', '-Command', "`$PSStyle.OutputRendering = 'PlainText'; Import-Module '$Module'; $Command")
    $start = [Diagnostics.ProcessStartInfo]::new($words[0], [string[]] $words[1..($words.Count - 1)])
    $start.RedirectStandardOutput = $start.RedirectStandardError = $start.RedirectStandardInput = $true
    foreach ($name in $Environment.Keys) {
        if ($Environment[$name]) { $start.Environment[$name] = $Environment[$name] }
        else { $null = $start.Environment.Remove($name) }
    }
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Close()
    $errors = $process.StandardError.ReadToEndAsync()
    $output = $process.StandardOutput.ReadToEnd()
    $process.WaitForExit()
    [pscustomobject]@{ Output = $output.Trim(); Error = $errors.Result.Trim(); ExitCode = $process.ExitCode }
}

<#
.SYNOPSIS
The words that start the PowerShell that runs the tests: its program or, where it is a .NET tool, dotnet and an assembly.
The tool's command on the PATH will not do: it starts PowerShell as a child, and signals do not reach that.
#>
function Get-PwshCommand {
    $program = [Environment]::ProcessPath
    $program
    if ([IO.Path]::GetFileName($program) -eq 'dotnet') { Join-Path $PSHOME 'pwsh.dll' }
}

<#
.SYNOPSIS
The criu program that the module uses.
#>
function Find-CriuPath {
    $row = Test-CracEnvironment | Where-Object Name -EQ 'criu'
    if ($row.Detail -notmatch ' at (?<path>/.+) \(from') { throw "no criu: $($row.Detail)" }
    $Matches.path
}

Export-ModuleMember -Function *-*
