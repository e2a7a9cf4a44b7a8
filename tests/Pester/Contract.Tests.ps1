# What holds for every cmdlet and for the module as a whole, read from the staged module.

BeforeDiscovery {
    $staged = [IO.Path]::GetFullPath("$PSScriptRoot/../../out/PSCrac")
    $manifest = Import-PowerShellDataFile -LiteralPath "$staged/PSCrac.psd1"
    Import-Module "$staged/PSCrac.psd1"
    $commands = @(Get-Command -Module PSCrac -CommandType Cmdlet | ForEach-Object { @{ Name = $_.Name; Command = $_ } })
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $staged = [IO.Path]::GetFullPath("$PSScriptRoot/../../out/PSCrac")
    $manifest = Import-PowerShellDataFile -LiteralPath "$staged/PSCrac.psd1"
    Import-Module "$staged/PSCrac.psd1"
    $assemblies = [AppDomain]::CurrentDomain.GetAssemblies().Where({ $_.GetName().Name -in 'PSCrac', 'PSCrac.Native' })
    $classes = $assemblies.Where({ $_.GetName().Name -eq 'PSCrac' }).GetTypes().Where({ $_.IsDefined([Management.Automation.CmdletAttribute], $false) })
    $common = [Management.Automation.PSCmdlet]::CommonParameters + [Management.Automation.PSCmdlet]::OptionalCommonParameters

    $byName = @{}
    Get-Command -Module PSCrac | ForEach-Object { $byName[$_.Name] = $_ }

    function Find-Type([string] $Name) {
        $assemblies.ForEach({ $_.GetType($Name) }).Where({ $_ })
    }

    # criu's and ssh-keygen's own words, and what there is no singular of.
    $plural = 'FileLocks', 'LazyPages', 'NoPages', 'Bytes', 'AllowedSigners'

    # What changes something, and so has to ask.
    $changing = 'Invoke', 'Restore', 'Remove', 'Start', 'Export', 'Import', 'Initialize', 'Measure', 'Register', 'Unregister', 'Protect', 'Optimize', 'Move'
}

Describe 'the module' {
    It 'exports the cmdlets that its manifest names' {
        (Get-Command -Module PSCrac -CommandType Cmdlet).Name | Sort-Object | Should -Be ($manifest.CmdletsToExport | Sort-Object)
    }

    It 'leaves no cmdlet class out of its manifest' {
        $names = $classes.ForEach({ $a = $_.GetCustomAttributes([Management.Automation.CmdletAttribute], $false)[0]; "$($a.VerbName)-$($a.NounName)" })
        $names | Sort-Object | Should -Be ($manifest.CmdletsToExport | Sort-Object)
    }

    It 'exports the aliases that its manifest names, each for a cmdlet of its own' {
        $aliases = @(Get-Command -Module PSCrac -CommandType Alias)
        $aliases.Name | Sort-Object | Should -Be ($manifest.AliasesToExport | Sort-Object)
        $aliases.ResolvedCommand.Source | Sort-Object -Unique | Should -Be 'PSCrac'
    }

    It 'has Checkpoint-CracProcess for Invoke-CracCheckpoint' {
        (Get-Command Checkpoint-CracProcess).ResolvedCommand.Name | Should -Be 'Invoke-CracCheckpoint'
    }

    It 'exports no function and no variable' {
        Get-Command -Module PSCrac -CommandType Function, Filter, Script | Should -BeNullOrEmpty
        (Get-Module PSCrac).ExportedVariables.Count | Should -Be 0
    }

    It 'carries its own assemblies and no other' {
        $files = Get-ChildItem $staged -Recurse -Filter *.dll
        $files.Name | Should -Contain 'PSCrac.dll'
        $files.Name | Should -Contain 'PSCrac.Native.dll'
        $files.Name | Should -Match '^(PSCrac(\.[A-Z]\w+)?|crac-start)\.dll$'
        $files.VersionInfo.ProductName | Sort-Object -Unique | Should -Be 'PSCrac'
        Get-ChildItem $staged -Recurse -Include *.exe, *.so, *.so.* | Should -BeNullOrEmpty
    }

    It 'has assemblies that need .NET and PowerShell only' {
        $assemblies.Count | Should -Be 2
        $assemblies.GetReferencedAssemblies().Name | Sort-Object -Unique |
            Should -Match '^(System\..+|System|netstandard|mscorlib|Microsoft\.Win32\.Primitives|PSCrac\.Native)$'
    }

    It 'keeps PowerShell out of the engine' {
        $assemblies.Where({ $_.GetName().Name -eq 'PSCrac.Native' }).GetReferencedAssemblies().Name | Should -Not -Contain 'System.Management.Automation'
    }

    It 'has public types under PSCrac only' {
        $assemblies.GetExportedTypes().Namespace | Sort-Object -Unique | Should -Match '^PSCrac(\..+)?$'
    }

    It 'has no public static state that can change' {
        $public = [Reflection.BindingFlags] 'Public, Static, DeclaredOnly'
        $fields = $assemblies.GetExportedTypes().GetFields($public).Where({ -not $_.IsLiteral -and -not $_.IsInitOnly })
        $properties = $assemblies.GetExportedTypes().GetProperties($public).Where({ $_.SetMethod -and $_.SetMethod.IsPublic })
        @($fields) + @($properties) | ForEach-Object { "$($_.DeclaringType.Name).$($_.Name)" } | Should -BeNullOrEmpty
    }

    It 'has help topics that Get-Help finds: <_>' -ForEach 'about_PSCrac', 'about_PSCrac_Images', 'about_PSCrac_Errors', 'about_PSCrac_Moving', 'about_PSCrac_Services', 'about_PSCrac_Stores', 'about_PSCrac_Debugging' {
        Get-Content "$staged/en-US/$_.help.txt" -Raw | Should -Match "(?s)^TOPIC\s+$_\s+SHORT DESCRIPTION"
        Get-Help $_ | Out-String | Should -Match 'LONG DESCRIPTION'
    }

    It 'explains every reason in about_PSCrac_Errors' {
        $text = Get-Content "$staged/en-US/about_PSCrac_Errors.help.txt" -Raw
        [Enum]::GetNames([PSCrac.CracReason]).Where({ $text -notmatch "\b$_\b" }) | Should -BeNullOrEmpty
    }

    It 'imports without criu and without touching anything native' {
        $maps = (Invoke-ChildPwsh "[IO.File]::ReadAllText('/proc/self/maps')").Output
        $maps | Should -Match 'PSCrac\.dll'
        $maps | Should -Not -Match 'libcriu'
    }
}

Describe '<Name>' -ForEach $commands {
    BeforeAll {
        $class = $Command.ImplementingType
        $attribute = $class.GetCustomAttributes([Management.Automation.CmdletAttribute], $false)[0]
        $own = $Command.Parameters.Values.Where({ $_.Name -notin $common })
        $help = Get-Help $Name -Full
    }

    It 'has an approved verb' {
        Get-Verb -Verb $Command.Verb | Should -Not -BeNullOrEmpty
    }

    It 'has a singular noun that begins with Crac' {
        $Command.Noun | Should -MatchExactly '^Crac[A-Z][A-Za-z]*([^s]|ss)$'
    }

    It 'says what comes out' {
        $class.GetCustomAttributes([Management.Automation.OutputTypeAttribute], $false).Count | Should -BeGreaterThan 0
    }

    It 'asks, with impact Medium, exactly where it changes something' {
        $attribute.SupportsShouldProcess | Should -Be ($Command.Verb -in $changing)
        if ($attribute.SupportsShouldProcess) {
            $attribute.ConfirmImpact | Should -Be ([Management.Automation.ConfirmImpact]::Medium)
        }
    }

    It 'has parameters in PascalCase, without plurals' {
        $own.Name | Should -MatchExactly '^[A-Z][A-Za-z0-9]+$'
        $own.Name.Where({ $_ -cmatch '[^s]s$' -and $_ -notin $plural }) | Should -BeNullOrEmpty
    }

    It 'can be stopped: its class listens to Ctrl+C' {
        $class.GetMethod('StopProcessing', [Reflection.BindingFlags] 'Instance, NonPublic').DeclaringType.Namespace | Should -Match '^PSCrac'
    }

    It 'has a synopsis and a description' {
        $help.Synopsis | Should -Match '^[A-Z].{10,}\.$'
        ($help.description.Text -join ' ').Length | Should -BeGreaterThan 200
    }

    It 'has at least three examples, each with a title and code' {
        $examples = @($help.examples.example)
        $examples.Count | Should -BeGreaterOrEqual 3
        $examples.Where({ $_.code -match $Name }).Count | Should -BeGreaterOrEqual ($examples.Count - 1)
        foreach ($example in $examples) {
            $example.code | Should -Match '\S'
            $example.title | Should -Match 'Example \d+: \S'
        }
    }

    It 'has examples whose commands and parameters exist' {
        foreach ($example in $help.examples.example) {
            # What an example shows of output is parsed too, and not looked at: it begins with no command of ours.
            $tree = [Management.Automation.Language.Parser]::ParseInput($example.code, [ref] $null, [ref] $null)
            foreach ($call in $tree.FindAll({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)) {
                $called = $byName["$($call.GetCommandName())"]
                if (-not $called) {
                    "$($call.GetCommandName())" | Should -Not -Match '-Crac(?!.*:$)' -Because "$($example.title) calls it"
                    continue
                }
                foreach ($parameter in $call.CommandElements.Where({ $_ -is [Management.Automation.Language.CommandParameterAst] })) {
                    { $called.ResolveParameter($parameter.ParameterName) } | Should -Not -Throw -Because "$($example.title) uses it"
                }
            }
        }
    }

    It 'describes each of its parameters, and no other' {
        $described = @($help.parameters.parameter)
        $described.name | Sort-Object | Should -Be (@($own.Name) + @(if ($attribute.SupportsShouldProcess) { 'Confirm', 'WhatIf' }) | Sort-Object)
        foreach ($parameter in $described) {
            ($parameter.description.Text -join ' ') | Should -Match '(?s)^[A-Z].{20,}\.' -Because "-$($parameter.name) needs it"
        }
    }

    It 'has no template words left in its help' {
        ($help | Out-String -Width 200).Split("`n").Where({ $_ -match '\{\{|Fill in|Insert list|```' }) | Should -BeNullOrEmpty
    }

    It 'has inputs, outputs, notes and related links' {
        $help.inputTypes.inputType.type.name | Should -Not -BeNullOrEmpty
        $outputs = $class.GetCustomAttributes([Management.Automation.OutputTypeAttribute], $false).Type.Type.FullName
        ($help.returnValues.returnValue.type.name -join "`n").Replace('None', 'System.Void').Split("`n") | Sort-Object | Should -Be ($outputs | Sort-Object)
        $help.alertSet | Should -Not -BeNullOrEmpty
        $help.relatedLinks.navigationLink.linkText | Should -Not -BeNullOrEmpty
    }
}

Describe 'the formats' {
    BeforeDiscovery {
        $formats = ([xml](Get-Content -LiteralPath "$([IO.Path]::GetFullPath("$PSScriptRoot/../../out/PSCrac"))/PSCrac.Format.ps1xml" -Raw)).Configuration.ViewDefinitions.View
        $tables = @($formats.Where({ $_.TableControl }).ForEach({ @{ View = $_.Name; Table = $_.TableControl } }))
        $types = @($formats.ViewSelectedBy.TypeName | Sort-Object -Unique)
    }

    It 'are of types that exist: <_>' -ForEach $types {
        Find-Type $_ | Should -Not -BeNullOrEmpty
    }

    It 'fit 80 columns: <View>' -ForEach $tables {
        $headers = @($Table.TableHeaders.TableColumnHeader)
        $headers.Count | Should -Be @($Table.TableRowEntries.TableRowEntry.TableColumnItems.TableColumnItem).Count
        # A column without a width takes what is left; less than 14 would say nothing.
        $widths = $headers.ForEach({ $_.Width ? [int] $_.Width : 14 })
        ($widths | Measure-Object -Sum).Sum + $headers.Count - 1 | Should -BeLessOrEqual 80
        @($headers.Where({ -not $_.Width })).Count | Should -BeLessOrEqual 1
    }

    It 'name properties that exist: <View>' -ForEach $tables {
        foreach ($property in $Table.SelectNodes('.//PropertyName').InnerText) {
            @(Find-Type $View).GetProperty($property) | Should -Not -BeNullOrEmpty -Because "$View shows $property"
        }
    }
}
