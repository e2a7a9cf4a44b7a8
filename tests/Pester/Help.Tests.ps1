# What Get-Help shows is what the pages under docs/help say, all of it and nothing else; and what the pages say of parameters
# is how the cmdlets are. The pages are read by HelpPage.psm1, not by what the build makes the help with.

BeforeDiscovery {
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
    Import-Module "$root/out/PSCrac/PSCrac.psd1"
    $commands = @(Get-Command -Module PSCrac -CommandType Cmdlet | ForEach-Object { @{ Name = $_.Name; Command = $_ } })
    $topics = @(Get-ChildItem "$root/docs/help/about_*.md" | ForEach-Object BaseName)
}

BeforeAll {
    $root = [IO.Path]::GetFullPath("$PSScriptRoot/../..")
    Import-Module "$root/out/PSCrac/PSCrac.psd1", "$PSScriptRoot/HelpPage.psm1"
    $common = [Management.Automation.PSCmdlet]::CommonParameters

    # A line of code that is longer is broken by the screen: Get-Help indents it by four columns.
    $codeWidth = 76
}

AfterAll {
    Remove-Module HelpPage
}

Describe 'the pages' {
    It 'are of every cmdlet, and of topics, and of nothing else' {
        (Get-ChildItem "$root/docs/help" -File).Name | Sort-Object |
            Should -Be (@(Get-Command -Module PSCrac -CommandType Cmdlet | ForEach-Object { "$($_.Name).md" }) + @((Get-ChildItem "$root/docs/help/about_*.md").Name) | Sort-Object)
    }
}

Describe 'the help of <Name>' -ForEach $commands {
    BeforeAll {
        $page = Read-HelpPage $Name
        $help = Get-Help $Name -Full
        $parameters = @(Read-PageParameter $page)
        $examples = @(Read-PageExample $page)
        $shown = @(($help | Out-String -Width 80) -split '\n' | ForEach-Object { $_.TrimEnd() })
        $real = $Command.ParameterSets | ForEach-Object {
            $set = $_
            foreach ($parameter in $set.Parameters.Where({ $_.Name -notin $common })) {
                '{0} in {1}: {2}, position {3}, required {4}, by value {5}, by property name {6}, the rest {7}' -f @(
                    $parameter.Name, $set.Name, ([Nullable]::GetUnderlyingType($parameter.ParameterType) ?? $parameter.ParameterType).FullName
                    $parameter.Position -ge 0 ? $parameter.Position : 'Named'
                    $parameter.IsMandatory, $parameter.ValueFromPipeline, $parameter.ValueFromPipelineByPropertyName, $parameter.ValueFromRemainingArguments
                )
            }
        }
    }

    It 'has the page''s synopsis' {
        $help.Synopsis | Should -BeExactly ((Get-PageParagraph $page['SYNOPSIS'].Line) -join "`n")
    }

    It 'has every paragraph of the page''s description' {
        Get-HelpParagraph $help.description | Should -BeExactly (Get-PageParagraph $page['DESCRIPTION'].Line)
    }

    It 'has every paragraph of the page''s notes' {
        Get-HelpParagraph $help.alertSet.alert | Should -BeExactly (Get-PageParagraph $page['NOTES'].Line)
    }

    It 'has each syntax of the page' {
        # Without blanks, since the screen's end breaks it anywhere; and PowerShell adds the common parameters itself.
        $text = $shown[([array]::IndexOf($shown, 'SYNTAX') + 1)..([array]::IndexOf($shown, 'DESCRIPTION') - 1)] -join "`n"
        $found = ($text -split '\n\s*\n').ForEach({ $_ -replace '\s' -replace '\[<CommonParameters>\]$' }).Where({ $_ })
        $found | Should -BeExactly $page['SYNTAX'].Part.ForEach({ (Get-PageCode $_.Line) -replace '\s' -replace '\[<CommonParameters>\]$' })
    }

    It 'has every parameter of the page, in its order' {
        $help.parameters.parameter.name | Should -BeExactly $parameters.Name
        (Get-Help $Name -Parameter *).name | Should -BeExactly $parameters.Name
    }

    It 'has what the page says of every parameter' {
        foreach ($parameter in $parameters) {
            $found = $help.parameters.parameter.Where({ $_.name -ceq $parameter.Name })[0]
            $because = "the page says so of -$($parameter.Name)"
            $fields = $parameter.Fields
            Get-HelpParagraph $found.description | Should -BeExactly $parameter.Description -Because $because
            $found.type.name | Should -BeExactly $fields.Type -Because $because
            $found.aliases | Should -BeExactly ($fields.Aliases ? $fields.Aliases -join ', ' : 'none') -Because $because
            $found.defaultValue | Should -BeExactly ($fields.DefaultValue ? $fields.DefaultValue : 'None') -Because $because
            [bool]::Parse($found.globbing) | Should -Be $fields.SupportsWildcards -Because $because
            [bool]::Parse($found.required) | Should -Be ($true -in $fields.ParameterSets.IsRequired) -Because $because
            $found.position | Should -BeExactly (($fields.ParameterSets.Position | Sort-Object -Unique -CaseSensitive) -join ' or ') -Because $because
            $ways = @(
                if ($true -in $fields.ParameterSets.ValueFromPipeline) { 'ByValue' }
                if ($true -in $fields.ParameterSets.ValueFromPipelineByPropertyName) { 'ByPropertyName' }
            )
            $found.pipelineInput | Should -BeExactly ($ways ? "True ($($ways -join ', '))" : 'False') -Because $because
        }
    }

    It 'has every example of the page: its title, its code to the letter, and what is said of it' {
        $found = @($help.examples.example)
        $found.Count | Should -Be $examples.Count
        for ($i = 0; $i -lt $examples.Count; $i++) {
            $found[$i].title -replace '^-+ | -+$' | Should -BeExactly $examples[$i].Title
            $found[$i].code | Should -BeExactly $examples[$i].Code
            @(Get-HelpParagraph $found[$i].introduction) | Should -BeExactly $examples[$i].Introduction -Because "$($examples[$i].Title) begins with it"
            @(Get-HelpParagraph $found[$i].remarks) | Should -BeExactly $examples[$i].Remarks -Because "$($examples[$i].Title) ends with it"
        }
    }

    It 'has every type that goes in and comes out, and what the page says of it' {
        foreach ($pair in @('INPUTS', $help.inputTypes.inputType), @('OUTPUTS', $help.returnValues.returnValue)) {
            $parts = $page[$pair[0]].Part
            $pair[1].type.name | Should -BeExactly $parts.Title -Because "$($pair[0]) has them"
            for ($i = 0; $i -lt $parts.Count; $i++) {
                @(Get-HelpParagraph @($pair[1])[$i].description) | Should -BeExactly @(Get-PageParagraph $parts[$i].Line) -Because "$($parts[$i].Title) has it"
            }
        }
    }

    It 'has every related link of the page, with its target if that is in the web' {
        $wanted = $page['RELATED LINKS'].Line.Where({ $_ -match '\S' }).ForEach({
                if ($_ -notmatch '^- \[(.+)\]\((.+)\)$') { throw "no link: $_" }
                "$($Matches[1]): $($Matches[2].StartsWith('http') ? $Matches[2] : '')"
            })
        @($help.relatedLinks.navigationLink).ForEach({ "$($_.linkText): $($_.uri)" }) | Should -BeExactly $wanted
    }

    # In the languages that it knows PowerShell breaks lines between words, in others anywhere.
    It 'is shown on 80 columns with no word broken, and code as it stands, in <_>' -ForEach 'the invariant language', 'en-US' {
        $before = [cultureinfo]::CurrentUICulture
        try {
            [cultureinfo]::CurrentUICulture = $_ -eq 'en-US' ? $_ : ''
            $shown = @(($help | Out-String -Width 80) -split '\n' | ForEach-Object { $_.TrimEnd() })
        }
        finally {
            [cultureinfo]::CurrentUICulture = $before
        }
        $texts = @(
            $help.description, $help.alertSet.alert
            $help.parameters.parameter.description, $help.examples.example.remarks
            $help.inputTypes.inputType.description, $help.returnValues.returnValue.description
        ) | ForEach-Object { @($_).Text -split '\n' } | ForEach-Object { $_.Trim() } | Where-Object { $_ }
        $trimmed = $shown | ForEach-Object { $_.Trim() }
        $texts.Where({ $_ -notin $trimmed }) | Should -BeNullOrEmpty
        foreach ($example in $examples) {
            $lines = $example.Code -split '\n' | ForEach-Object { "    $_".TrimEnd() }
            $lines.Where({ $_.Length -le $codeWidth + 4 -and $_ -cnotin $shown }) | Should -BeNullOrEmpty -Because $example.Title
            $shown.Where({ $_ -cmatch "^    (-+ )?$([regex]::Escape($example.Title))( -+)?$" }).Count | Should -Be 1 -Because 'the title is shown'
        }
    }

    It 'says of every parameter in every parameter set what the cmdlet has' {
        $said = foreach ($parameter in $parameters) {
            foreach ($set in $parameter.Fields.ParameterSets) {
                foreach ($setName in $set.Name -eq '(All)' ? $Command.ParameterSets.Name : $set.Name) {
                    '{0} in {1}: {2}, position {3}, required {4}, by value {5}, by property name {6}, the rest {7}' -f @(
                        $parameter.Name, $setName, ($parameter.Fields.Type -replace '^System\.Nullable`1\[(.+)\]$', '$1'), $set.Position, $set.IsRequired, $set.ValueFromPipeline
                        $set.ValueFromPipelineByPropertyName, $set.ValueFromRemainingArguments
                    )
                }
            }
        }
        @($said).Where({ $_ -notin $real }) | Should -BeNullOrEmpty -Because 'the cmdlet has it otherwise'
        @($real).Where({ $_ -notin $said }) | Should -BeNullOrEmpty -Because 'the page has it otherwise'
    }

    It 'says what aliases a parameter has, and whether it takes wildcards' {
        foreach ($parameter in $parameters) {
            $own = $Command.Parameters[$parameter.Name]
            $parameter.Fields.Aliases | Sort-Object | Should -BeExactly ($own.Aliases | Sort-Object) -Because "-$($parameter.Name) has them"
            $parameter.Fields.SupportsWildcards | Should -Be ([bool] $own.Attributes.Where({ $_ -is [Management.Automation.SupportsWildcardsAttribute] })) -Because "-$($parameter.Name)"
        }
    }

    It 'names each type that it takes from the pipeline by value' {
        $taken = $Command.ParameterSets.Parameters.Where({ $_.ValueFromPipeline }).ParameterType.FullName | Sort-Object -Unique
        $page['INPUTS'].Part.Title | Should -Not -Contain ($taken ? 'None' : '')
        @($taken).Where({ $_ -and $_ -notin $page['INPUTS'].Part.Title }) | Should -BeNullOrEmpty
    }

    It 'names the parameter sets that the cmdlet has, and the default one' {
        $named = $page['SYNTAX'].Part.Title
        $wanted = $Command.ParameterSets.ForEach({ $_.Name + ($_.IsDefault -and $Command.ParameterSets.Count -gt 1 ? ' (Default)' : '') })
        $named | Sort-Object | Should -BeExactly ($wanted | Sort-Object)
    }
}

Describe 'the topic <_>' -ForEach $topics {
    BeforeAll {
        $page = Read-HelpPage $_
        $text = (Get-Help $_ | Out-String).Trim()
    }

    It 'has every paragraph of the page' {
        $wanted = @("TOPIC $_") + @($page.Keys.ForEach({ $_.ToUpperInvariant(); Get-PageParagraph $page[$_].Line })) -join ' '
        ConvertTo-Word ($text -replace '(?m)^ *-{2,}( +-+)*$', '') | Should -BeExactly $wanted
    }

    It 'has the page''s code as it stands, and no other line that passes 79 columns' {
        $lines = $text -split '\n' | ForEach-Object { $_.TrimEnd() }
        $code = @($page.Keys.ForEach({ Get-PageCode $page[$_].Line }) -split '\n' | ForEach-Object { "        $_".TrimEnd() })
        $code.Where({ $_ -cnotin $lines }) | Should -BeNullOrEmpty
        $lines.Where({ $_.Length -gt 79 -and $_ -cnotin $code }) | Should -BeNullOrEmpty
    }
}
