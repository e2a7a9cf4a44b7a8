# What completion offers, every cmdlet takes: names that mean something to PowerShell or to a shell, completed, and the line run as it
# then stands.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $names = @(
        'plain', 'has blank', 'br[1]ack', 'open[', 'st*ar', 'qu?estion', "quo'te", 'dou"ble', "cur$([char] 0x2019)ly", 'do$llar', 'dollar$(1+1)', 'back`tick'
        'mix`[1]', '-dash', '--', '#hash', '@at', 'a:b', 'Env:x', 'semi;colon', 'am&p', 'pa(ren', 'br{ace', 'pi|pe', 'com,ma', '<less', '123', '0x10', '1kb', '~', '~x'
        '.hidden', "$([char] 0xfc)mlaut", ([char]::ConvertFromUtf32(0x1F600)), "new`nline", "ta`tb", '100%', '%s', '!bang', '=eq', '...', 'x.img'
    ).ForEach({ @{ Name = $_; Shown = [regex]::Replace($_, '\p{Cc}', { '\x{0:x2}' -f [int] [char] $args[0].Value }) } })

    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    $here = "$folder/here"
    $null = New-Item -ItemType Directory $here
    Push-Location -LiteralPath $here

    # Parameters that take an image, and what makes a whole line of them. {0} is what is completed.
    $lines = @(
        @{ Line = 'Get-CracImage {0}' }, @{ Line = 'Get-CracImage -Path {0}' }, @{ Line = 'Get-CracImage -LiteralPath {0}' }
        @{ Line = 'Restore-CracProcess {0}'; Rest = ' -WhatIf' }, @{ Line = 'Restore-CracProcess -LiteralPath {0}'; Rest = ' -WhatIf' }
        @{ Line = 'Remove-CracImage {0}'; Rest = ' -WhatIf' }, @{ Line = 'Remove-CracImage -LiteralPath {0}'; Rest = ' -WhatIf' }
        @{ Line = 'Test-CracImage {0}' }, @{ Line = 'Test-CracImage -LiteralPath {0}' }
        @{ Line = 'Get-CracImageContent {0}'; Rest = ' inventory' }, @{ Line = 'Get-CracImageContent -LiteralPath {0}'; Rest = ' inventory' }
        @{ Line = 'Get-CracImageMemory -Path {0}'; Rest = ' -Address $address -Length 1' }, @{ Line = 'Get-CracImageMemory -LiteralPath {0}'; Rest = ' -Address $address -Length 1' }
        @{ Line = 'Search-CracImage -String ELF -Path {0}' }, @{ Line = 'Search-CracImage -String ELF -LiteralPath {0}' }
        @{ Line = 'Compare-CracImage {0}'; Rest = ' $image' }, @{ Line = 'Compare-CracImage $image -DifferenceImage {0}' }
    )

    # Runs a line as it was typed, and gives its errors with its output. In a runspace without a screen, for what -WhatIf says there.
    $shell = [powershell]::Create()
    $null = $shell.AddScript('param($Module, $Here) Import-Module $Module; Set-Location -LiteralPath $Here').AddArgument((Get-Module PSCrac).Path).AddArgument($here).Invoke()
    function Invoke-Line([string] $Line) {
        $shell.Commands.Clear()
        $shell.Streams.ClearStreams()
        try { $shell.AddScript($Line).Invoke() } catch { $_.Exception.InnerException.ErrorRecord ?? $_ }
        $shell.Streams.Error.ForEach({ $_ })
    }

    # What completion of a line that is typed so far gives for a name, as the whole line.
    function Complete([string] $Typed, [string] $Shown) {
        $completed = TabExpansion2 $Typed $Typed.Length
        $texts = @($completed.CompletionMatches.Where({ $_.ListItemText -eq $Shown }).CompletionText)
        foreach ($text in $texts) {
            $Typed.Remove($completed.ReplacementIndex, $completed.ReplacementLength).Insert($completed.ReplacementIndex, $text)
        }
    }
}

AfterAll {
    $shell.Dispose()
    Pop-Location
    Exit-CracTest
}

Describe "a name that completion offers$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint $id "$folder/made" -LeaveRunning
        $shell.Runspace.SessionStateProxy.SetVariable('image', $image)
        $shell.Runspace.SessionStateProxy.SetVariable('address', (Search-CracImage -String sleep -InputObject $image)[0].Address)
        # Names a place of its own for each: an image in a folder here, and one under the image root.
        function New-Image([string] $Name) {
            foreach ($place in "$here/o", $env:PSCRAC_IMAGE_ROOT) {
                $null = [IO.Directory]::CreateDirectory("$place/$Name")
                foreach ($file in [IO.Directory]::GetFiles($image.Path)) { [IO.File]::Copy($file, "$place/$Name/$([IO.Path]::GetFileName($file))", $true) }
            }
        }
    }

    It 'is taken by every cmdlet that reads images: <Shown>' -ForEach $names {
        New-Image $Name
        $failures = foreach ($each in $lines) {
            # A dot file is offered where a dot was typed.
            $dot = $Name.StartsWith('.') ? '.' : ''
            foreach ($typed in "./o/$dot", "'./o/$dot", $dot) {
                $completed = @(Complete ($each.Line -f $typed) $Shown)
                if (-not $completed) { "$($each.Line -f $typed): is not offered"; continue }
                foreach ($line in $completed) {
                    $said = @(Invoke-Line "$line$($each.Rest)")
                    $said.Where({ $_ -is [Management.Automation.ErrorRecord] }).ForEach({ "$line$($each.Rest): $_" })
                    if ($line -match '^Get-CracImage ' -and "$($said.Name)" -cne $Name) { "${line}: gave $($said.Path)" }
                }
            }
        }
        $failures | Should -BeNullOrEmpty
    }

    It 'is completed further behind a part that was completed, for -Path and -LiteralPath' {
        New-Image 'deep[1]/wi`th in'
        foreach ($parameter in 'Path', 'LiteralPath') {
            $line = Complete "Get-CracImage -$parameter ./o/de" 'deep[1]'
            $line = Complete ($line -replace "'$", '/') 'wi`th in'
            (Invoke-Line $line).Name | Should -Be 'wi`th in'
        }
    }

    It 'has the processes of the image completed behind it: <_>' -ForEach "Get-CracImageMemory './o/br``[1``]ack'", "Get-CracImageMemory -LiteralPath './o/br[1]ack'", "Search-CracImage x './o/br``[1``]ack'", "Get-CracImageMemory 'br``[1``]ack'" {
        New-Image 'br[1]ack'
        (TabExpansion2 "$_ -ProcessId " "$_ -ProcessId ".Length).CompletionMatches.CompletionText | Should -Be $id
    }

    It 'is a path, where it is also a name under the image root' {
        New-Image 'twice'
        $null = New-Item -ItemType Directory -Force "$here/twice"
        Complete 'Get-CracImage tw' 'twice' | ForEach-Object { Invoke-Line $_ } | ForEach-Object Path | Should -Contain "$env:PSCRAC_IMAGE_ROOT/twice"
    }

    It 'is offered for a folder beside one that PowerShell leads to nowhere' {
        New-Image 'ba\ck'
        New-Image 'back'
        Complete 'Get-CracImage ./o/bac' 'back' | Should -Be 'Get-CracImage ./o/back'
        (TabExpansion2 'Get-CracImage ./o/ba' 20).CompletionMatches.ListItemText | Should -Not -Contain 'ba\ck'
    }
}

Describe 'a path that is taken as it is' {
    BeforeDiscovery {
        Import-Module "$([IO.Path]::GetFullPath("$PSScriptRoot/../../out/PSCrac"))/PSCrac.psd1"
        # Every parameter with a completer of paths, and every other one whose name says that it is a path.
        $parameters = foreach ($command in Get-Command -Module PSCrac -CommandType Cmdlet) {
            foreach ($parameter in $command.Parameters.Values.Where({ $_.ParameterType -eq [string] -and $_.Name -match 'Path$|^(ReadyFile|Plot|WorkingDirectory|ParentImage)$' })) {
                @{ Line = "$($command.Name) -$($parameter.Name)" }
            }
        }
    }

    It 'is completed without escapes: <Line>' -ForEach $parameters {
        foreach ($name in 'br[1]ack', 'mix`[1]', "quo'te", '-dash', 'has blank') {
            $null = [IO.Directory]::CreateDirectory("$here/taken/$name")
            $completed = Complete "$Line ./taken/" $name
            $completed | Should -HaveCount 1
            $tokens = $null
            $null = [Management.Automation.Language.Parser]::ParseInput($completed, [ref] $tokens, [ref] $null)
            $tokens[-2].Value ?? $tokens[-2].Text | Should -Be "./taken/$name"
        }
    }
}

Describe "a path that leads nowhere$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram 'sleep 1000'
        $null = Invoke-CracCheckpoint $id "$here/away/one" -LeaveRunning
        $null = New-Item -ItemType Directory "$here/away/no image", "$here/away/br[1]ack"
    }

    It 'is an error, by <How>, where something would be done: <Call>' -ForEach @(
        foreach ($call in 'Restore-CracProcess', 'Remove-CracImage', 'Test-CracImage', 'Get-CracImageContent', 'Get-CracImageMemory -Address 0 -Path', 'Search-CracImage x') {
            foreach ($how in @{ 'a path' = './away/none' }, @{ 'a name' = 'none' }, @{ 'a wildcard' = './away/x*' }, @{ 'a wildcard for names' = 'none*' },
                @{ 'a wildcard that finds no images' = './away/no*' }, @{ 'a name that is a wildcard' = './away/br[1]ack' }, @{ 'a folder that is not there' = './gone/*' }, @{ 'half a wildcard' = './away/br[1' }, @{ 'no wildcard' = './away/[z-a]*' }) {
                @{ Call = $call; How = "$($how.Keys)"; Path = "$($how.Values)" }
            }
        }
    ) {
        $said = @(Invoke-Line "$Call '$Path'")
        $said | Should -HaveCount 1
        $said[0] | Should -BeOfType Management.Automation.ErrorRecord
        $said[0].Exception | Should -BeOfType PSCrac.CracException
        $said[0].Exception.Reason | Should -Be ($How -eq 'no wildcard' ? 'OptionRefused' : 'NotAnImage')
        $said[0].TargetObject | Should -BeLike "*$([WildcardPattern]::Escape($Path.TrimStart('.', '/')))"
    }

    It 'is False for Test-CracImage -Quiet: <_>' -ForEach './away/none', 'none', './away/x*', 'none*', './away/no*', './away/br[1]ack', './gone/*', './away/[z-a]*', './away/no image' {
        Test-CracImage $_ -Quiet | Should -BeExactly $false
    }

    It 'is an error of Get-CracImage, and a wildcard nothing, as with Get-Item' {
        { Get-CracImage ./away/none -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*'
        { Get-CracImage ./gone/* -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*'
        Get-CracImage ./away/x* -ErrorAction Stop | Should -BeNullOrEmpty
        Get-CracImage none* -ErrorAction Stop | Should -BeNullOrEmpty
        (Get-CracImage ./away/*).Name | Should -Be 'one'
    }

    It 'is told how to be given, where something has just this name' {
        $failure = { Restore-CracProcess './away/br[1]ack' -ErrorAction Stop } | Should -Throw -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match '-LiteralPath'
    }
}

Describe "the name of a new image$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram 'sleep 1000'
    }

    # A test's name and its data go into an XML file, where not every character can stand.
    It 'is refused before anything is done: <_>' -ForEach @(@(
        '.', '..', '~', 'a/b', '/', '../x', 'a\b', '-x', '-', ' x', 'x ', "a`nb", "a$([char] 7)b", "a$([char] 0x2028)b", ('x' * 256), ([string][char] 0xfc * 128)
        '.pscrac-0123.partial', '.pscrac-x.before', ([string][char] 0xd800)
    ).ForEach({ [regex]::Replace($_, '[^ -\[\]-~]', { '\u{0:x4}' -f [int] $args[0].Value[0] }) })) {
        $name = [regex]::Unescape($_)
        $failure = { Invoke-CracCheckpoint $id -ImageName $name -ErrorAction Stop } | Should -Throw -ErrorId 'OptionRefused,*' -PassThru
        $failure.CategoryInfo.Category | Should -Be InvalidArgument
        { Start-CracProcess sleep 1000 -ImageName $name } | Should -Throw -ErrorId 'OptionRefused,*'
        Test-Running $id | Should -BeTrue
    }

    It 'may be any other, and is found again' {
        foreach ($name in 'x', ('x' * 255), '.x', 'new:b', 'new[1]', "$([char] 0xfc)", 'with blank', '~new', '....') {
            (Invoke-CracCheckpoint $id -ImageName $name -LeaveRunning).Name | Should -Be $name
            Test-CracImage -LiteralPath $name -PidNamespace New -Quiet | Should -BeTrue
            Remove-CracImage -LiteralPath $name
        }
    }

    It 'is a good one, where the process''s own is none' {
        foreach ($command in 'sl/ash', '-dash', '~', 'a b ') {
            $odd = Start-TestProgram "bash -c 'printf %s `"`$0`" > /proc/self/comm; read -t 1000 < <(sleep 1000)' '$command'"
            Wait-Until { [IO.File]::ReadAllText("/proc/$odd/comm") -eq "$command`n" } 'it has its name'
            $name = (Invoke-CracCheckpoint $odd -LeaveRunning).Name
            $name | Should -BeLike "*-$odd"
            $name | Should -Not -Match '^-|/'
        }
    }

    It 'that unfinished images have is refused as a path, too' {
        { Invoke-CracCheckpoint $id "$folder/.pscrac-1.partial" -ErrorAction Stop } | Should -Throw -ErrorId 'OptionRefused,*'
    }

    It 'is completed to itself where no image has it, rather than to a path' {
        (TabExpansion2 'Invoke-CracCheckpoint 1 -ImageName ma' 37).CompletionMatches.CompletionText | Should -Be 'ma'
        (TabExpansion2 'Start-CracProcess x -ImageName ma' 33).CompletionMatches.CompletionText | Should -Be 'ma'
    }
}
