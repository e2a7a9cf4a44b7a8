# Reads the pages under docs/help for the tests, in the simplest way that does: line by line, with no parser of Markdown.
# What makes the help of the same pages (tools/HelpBuilder) has no part in it.

<#
.SYNOPSIS
Text as its words alone, with one blank between two of them.
#>
function ConvertTo-Word([string] $Text) {
    ($Text -replace '\s+', ' ').Trim()
}

# A paragraph without its mark-up. A link into the web keeps its target, any other does not.
function ConvertTo-Plain([string] $Text) {
    if ($Text -match '^\s*\|') {
        $Text = $Text -replace '(?m)^\s*\|[-:|\s]+$', '' -replace '\|', ' '
    }
    ConvertTo-Word ($Text -replace '\[([^\]]+)\]\((https?://[^)\s]+)\)', '$1 ($2)' -replace '\[([^\]]+)\]\([^)\s]+\)', '$1' -replace '\*\*([^*]+)\*\*', '$1' -replace '`', '')
}

<#
.SYNOPSIS
The paragraphs of a page's lines, and the pieces of its code between empty lines, each as its words.
#>
function Get-PageParagraph([AllowEmptyString()] [string[]] $Line) {
    $fenced = $false
    $text = ''
    foreach ($item in @($Line) + '') {
        if ($item -match '^\s*```' -or $item -match '^\s*$') {
            if ($text) { $fenced ? (ConvertTo-Word $text) : (ConvertTo-Plain $text) }
            $text = ''
            if ($item -match '```') { $fenced = -not $fenced }
        }
        else { $text += "$item`n" }
    }
}

<#
.SYNOPSIS
The blocks of code in a page's lines, each as one text.
#>
function Get-PageCode([AllowEmptyString()] [string[]] $Line) {
    [regex]::Matches($Line -join "`n", '(?ms)^\s*```\w*\n(.*?)\n\s*```\s*$').ForEach({ $_.Groups[1].Value })
}

<#
.SYNOPSIS
The paragraphs of what Get-Help gives as text, each as its words.
#>
function Get-HelpParagraph([AllowNull()] [object] $Item) {
    foreach ($text in @($Item).Text) {
        # Below a table's head there are dashes.
        ("$text" -replace '(?m)^-{2,}( +-+)*$', '') -split '\n\s*\n' | ForEach-Object { ConvertTo-Word $_ } | Where-Object { $_ }
    }
}

# The fields of a parameter's block of yaml; its parameter sets are a list of fields of their own.
function Read-ParameterField([string] $Yaml) {
    $fields = @{ Aliases = @(); AcceptedValues = @(); ParameterSets = @() }
    $list = ''
    foreach ($line in $Yaml -split '\n') {
        switch -Regex -CaseSensitive ($line) {
            '^(\w+): *(?:\[\])?$' { $list = $Matches[1]; break }
            '^(\w+): +(true|false)$' { $fields[$Matches[1]] = $Matches[2] -ceq 'true'; break }
            "^(\w+): +'?(.*?)'?$" { $fields[$Matches[1]] = $Matches[2]; break }
            '^- Name: +(.+)$' { $fields.ParameterSets += @{ Name = $Matches[1] }; break }
            '^- +(.+)$' { $fields[$list] += $Matches[1]; break }
            '^  (\w+): +(true|false)$' { $fields.ParameterSets[-1][$Matches[1]] = $Matches[2] -ceq 'true'; break }
            '^  (\w+): +(.+)$' { $fields.ParameterSets[-1][$Matches[1]] = $Matches[2] }
        }
    }
    $fields
}

<#
.SYNOPSIS
A page as a table of its sections: each has its lines (Line) and its subsections (Part), which have a Title and lines.
#>
function Read-HelpPage([string] $Name) {
    $text = [IO.File]::ReadAllText([IO.Path]::GetFullPath("$PSScriptRoot/../../docs/help/$Name.md")) -replace '\A---\n(?s:.*?)\n---\n', ''
    $sections = [ordered]@{}
    $section = $part = $null
    $fenced = $false
    foreach ($line in $text -split '\n') {
        if ($line -match '^```') { $fenced = -not $fenced }
        if (-not $fenced -and $line -match '^## (.+)$') {
            $section = $sections[$Matches[1]] = @{ Line = @(); Part = @() }
            $part = $null
        }
        elseif (-not $fenced -and $line -match '^### (.+)$') {
            $part = @{ Title = $Matches[1]; Line = @() }
            $section.Part += $part
        }
        elseif ($part) { $part.Line += $line }
        elseif ($section) { $section.Line += $line }
    }
    $sections
}

<#
.SYNOPSIS
The parameters of a page: the name, the description's paragraphs, and the fields of the yaml.
#>
function Read-PageParameter([Collections.IDictionary] $Page) {
    foreach ($part in $Page['PARAMETERS'].Part.Where({ $_.Title -match '^-' })) {
        $yaml = $part.Line.IndexOf('```yaml')
        @{
            Name        = $part.Title.Substring(1)
            Description = @(Get-PageParagraph $part.Line[0..($yaml - 1)])
            Fields      = Read-ParameterField (Get-PageCode $part.Line[$yaml..($part.Line.Count - 1)])
        }
    }
}

<#
.SYNOPSIS
The examples of a page: the title, the first blocks of code as one text (what is typed, and what comes out), and the
paragraphs before and after them.
#>
function Read-PageExample([Collections.IDictionary] $Page) {
    foreach ($part in $Page['EXAMPLES'].Part) {
        $fences = @(0..($part.Line.Count - 1) | Where-Object { $part.Line[$_] -match '^```' })
        # A block that follows with nothing but a blank line between belongs to the one before.
        $last = 1
        while ($last + 2 -lt $fences.Count -and $fences[$last + 1] -eq $fences[$last] + 2) { $last += 2 }
        $code = for ($i = 0; $i -lt $last; $i += 2) { ($part.Line[($fences[$i] + 1)..($fences[$i + 1] - 1)] -join "`n").TrimEnd() }
        @{
            Title        = $part.Title
            Introduction = @(Get-PageParagraph ($part.Line | Select-Object -First $fences[0]))
            Code         = $code -join "`n`n"
            Remarks      = @(Get-PageParagraph ($part.Line | Select-Object -Skip ($fences[$last] + 1)))
        }
    }
}

Export-ModuleMember -Function ConvertTo-Word, Get-HelpParagraph, Get-PageCode, Get-PageParagraph, Read-HelpPage, Read-PageExample, Read-PageParameter
