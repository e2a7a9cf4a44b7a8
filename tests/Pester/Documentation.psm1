# Takes the code blocks out of README.md and docs, and runs them as they stand, each section's in a machine of its own.

$script:root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")

<#
.SYNOPSIS
The code blocks of a Markdown page, each with its language, its line, and the headings that it is under.
#>
function Get-CodeBlock {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [string] $Path
    )
    $page = [IO.Path]::GetRelativePath($script:root, $Path)
    $headings = [string[]]::new(7)
    $number = 0
    $language = $text = $start = $null
    foreach ($line in [IO.File]::ReadAllLines($Path)) {
        $number++
        if ($null -ne $text) {
            if ($line -match '^\s*```\s*$') {
                [pscustomobject]@{ Page = $page; Part = "$($headings[2])"; Section = $headings.Where({ $_ })[-1]; Language = $language; Line = $start; Text = $text -join "`n" }
                $text = $null
            }
            else { $text += $line }
        }
        elseif ($line -match '^\s*```(?<language>\S*)\s*$') {
            $language, $text, $start = $Matches.language, [string[]]@(), $number
        }
        elseif ($line -match '^(?<level>#{1,6})\s+(?<heading>.+)$') {
            $level = $Matches.level.Length
            $headings[$level] = $Matches.heading.Trim()
            for ($below = $level + 1; $below -lt $headings.Length; $below++) { $headings[$below] = $null }
        }
    }
    if ($null -ne $text) { throw "the code block at ${page}:$start has no end" }
}

<#
.SYNOPSIS
A transcript as the blocks that it is made of: what is typed after 'PS> ' and '>> ', and what came out.
#>
function Split-Transcript {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [string] $Text
    )
    foreach ($part in $Text -split '(?m)^(?=PS> )') {
        if (-not $part.Trim()) { continue }
        if ($part -notmatch '\A(?<typed>PS> .*(\n>> .*)*)(?<printed>(?s:.*))\z') { throw "no command, but: $part" }
        $typed, $printed = $Matches.typed, $Matches.printed
        [pscustomobject]@{ Language = 'powershell'; Text = $typed -replace '(?m)^(PS|>)> ' }
        # Nothing is asserted too: a command that prints is followed by what it prints.
        [pscustomobject]@{ Language = 'Output'; Text = $printed.Trim("`n") }
    }
}

# What differs from run to run is the same for all: numbers with their units, and white space.
function ConvertTo-Masked([string] $Text) {
    (($Text -creplace '0x[0-9a-f]+|\b[0-9a-f]{6,}\b|\d+([.,:/-]\d+)*', '#') -creplace '# (B|KiB|MiB|GiB|ms|s)\b', '# unit' -replace '\s+', ' ').Trim()
}

<#
.SYNOPSIS
Whether a text is what a page shows: numbers count as equal, white space too; … is the rest of a word or of a cell, and
a line of three full stops any number of lines.
#>
function Test-Shown([string] $Text, [string] $Shown) {
    $pieces = foreach ($piece in $Shown -split '(?m)^\s*\.\.\.$|…') { [regex]::Escape((ConvertTo-Masked $piece)) }
    (ConvertTo-Masked ($Text -replace '…', ' ')) -match "\A$($pieces -join '.*')\z"
}

<#
.SYNOPSIS
Runs blocks, in turn and in one session, on a machine of their own: namespaces of pids, mounts and the network, with
programs of the names that the pages use. Returns the exit code, what each block printed, and its errors.
#>
function Invoke-CodeBlock {
    [CmdletBinding()]
    param(
        # Objects with Language (powershell or sh) and Text.
        [Parameter(Mandatory)]
        [object[]] $Block,

        # Makes what the blocks take for granted; see Documentation.Session.ps1 for its words.
        [string] $World = '',

        [Parameter(Mandatory)]
        [string] $Folder
    )
    $machine = Join-Path $Folder ([guid]::NewGuid().ToString('N'))
    foreach ($name in 'srv/demo', 'run', 'log', 'lib', 'opt', 'bin', 'kept') { $null = [IO.Directory]::CreateDirectory("$machine/$name") }
    $plan = "$machine/plan.json"
    @{ World = $World; Block = @($Block | Select-Object Language, Text) } | ConvertTo-Json -Depth 4 | Set-Content -LiteralPath $plan

    $words = @(
        '120', 'unshare', '--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc'
        'bash', "$PSScriptRoot/Documentation.Machine.sh", $machine, $script:root
        Get-PwshCommand
        '-NoLogo', '-NoProfile', '-NonInteractive', '-File', "$PSScriptRoot/Documentation.Session.ps1", '-Plan', $plan, '-Criu', (Find-CriuPath)
    )
    $start = [Diagnostics.ProcessStartInfo]::new('timeout', [string[]] $words)
    $start.RedirectStandardOutput = $start.RedirectStandardError = $start.RedirectStandardInput = $true
    # Names are found where a user who has set nothing has them.
    'PSCRAC_IMAGE_ROOT', 'PSCRAC_LOG_ROOT', 'PSCRAC_STATE_ROOT' | ForEach-Object { $null = $start.Environment.Remove($_) }
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Close()
    $errors = $process.StandardError.ReadToEndAsync()
    $output = $process.StandardOutput.ReadToEnd()
    $process.WaitForExit()
    Remove-Item -LiteralPath $machine -Recurse -Force

    $parts = $output -split '(?m)^#### block \d+\n'
    [pscustomobject]@{
        ExitCode = $process.ExitCode
        Preface  = ($parts[0] + $errors.Result).Trim()
        Printed  = @($parts | Select-Object -Skip 1 | ForEach-Object { ($_ -replace '(?m)^#### error .*\n').Trim("`n") })
        Error    = @($parts | Select-Object -Skip 1 | ForEach-Object { ([regex]::Matches($_, '(?m)^#### error (.*)$').ForEach({ $_.Groups[1].Value }) -join '; ') })
    }
}

Export-ModuleMember -Function Get-CodeBlock, Split-Transcript, Test-Shown, Invoke-CodeBlock
