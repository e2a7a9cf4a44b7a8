# What an image or a process says of itself reaches no terminal as a command to it: control and bidirectional characters are shown
# as escapes, and the objects keep the real values.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
    # PowerShell's own colours are escape sequences too.
    $rendering = $PSStyle.OutputRendering
    $PSStyle.OutputRendering = 'PlainText'
    $raw = [regex] '[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069-[\n\r]]'
}

AfterAll {
    $PSStyle.OutputRendering = $rendering
    Exit-CracTest
}

Describe 'text for a terminal' {
    It 'has no control or bidirectional characters: <Shown>' -ForEach @(
        # As a regular expression escapes them: the report of the tests is XML, which has no control characters.
        @{ Text = 'a\e]0;title\ab'; Shown = 'a\x1b]0;title\x07b' }
        @{ Text = "$([char] 0x202e)fdp.exe"; Shown = '\u202efdp.exe' }
        @{ Text = "a$([char] 0x9b)2Jb"; Shown = 'a\x9b2Jb' }
        @{ Text = "a`tb$([char] 0x7f)"; Shown = 'a\x09b\x7f' }
        @{ Text = "$([char] 0x2066)x$([char] 0x2069)"; Shown = '\u2066x\u2069' }
        @{ Text = "$([char] 0xfc)$([char]::ConvertFromUtf32(0x1F600))"; Shown = "$([char] 0xfc)$([char]::ConvertFromUtf32(0x1F600))" }
    ) {
        $Text = [regex]::Unescape($Text)
        [PSCrac.Formatting.TableText]::Escape($Text) | Should -BeExactly $Shown
        [PSCrac.Formatting.TableText]::Wrap($Text, 80) | Should -BeExactly $Shown
        [PSCrac.Formatting.TableText]::Cut($Text, 80) | Should -BeExactly $Shown
    }

    It 'is escaped in the list of a <Type>' -ForEach @(
        @{ Type = 'CracContainer'; Values = @{ Name = 'a\e[2J'; Image = 'i\u202e'; RootFileSystemChanges = '/b\e[2J', '/c' } }
        @{ Type = 'Images.Manifest.ImageManifestHost'; Values = @{ Name = 'a\e[2J'; Kernel = 'k\u202e'; CpuFeatures = '/b\e[2J', '/c' } }
    ) {
        $made = [pscustomobject]@{}
        foreach ($name in $Values.Keys) {
            $value = $Values[$name] | ForEach-Object { [regex]::Unescape($_) }
            $made | Add-Member -NotePropertyName $name -NotePropertyValue $value
        }
        $made.PSObject.TypeNames.Insert(0, "PSCrac.$Type")
        $shown = $made | Out-String
        $raw.IsMatch($shown) | Should -BeFalse
        $shown | Should -Match 'a\\x1b\[2J'
        $shown | Should -Match '/b\\x1b\[2J, /c'
    }

    It 'is escaped in an error, whose exception has the real name' {
        $name = "$folder/no`e[2Jne$([char] 0x202e)"
        $failure = $null
        Get-CracImage -LiteralPath $name -ErrorAction SilentlyContinue -ErrorVariable failure
        $failure[0].Exception.Message | Should -Match ([regex]::Escape($name))
        "$($failure[0])" | Should -Match 'no\\x1b\[2Jne\\u202e'
        $raw.IsMatch("$($failure[0])$($failure[0].ErrorDetails.RecommendedAction)") | Should -BeFalse
        $raw.IsMatch(($failure[0] | Out-String)) | Should -BeFalse
    }

    It 'is escaped in what completion shows' {
        $name = "evil`e[2J$([char] 0x202e)"
        $null = New-Item -Force -ItemType File "$env:PSCRAC_IMAGE_ROOT/$name/inventory.img"
        $completed = (TabExpansion2 'Get-CracImage evil' 18).CompletionMatches
        $completed.ListItemText | Should -Contain 'evil\x1b[2J\u202e'
        foreach ($each in $completed) { $raw.IsMatch("$($each.ListItemText)$($each.ToolTip)") | Should -BeFalse }
    }
}

Describe "a program that names itself for the terminal$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $comm = "e`e[2J$([char] 7)x"
        Set-Content -LiteralPath "$folder/named.sh" "printf 'e\033[2J\007x' >/proc/`$`$/comm; touch $folder/named; while :; do sleep 1000 & wait; done"
        $id = Start-TestProgram "bash $folder/named.sh $([char] 0x202e)argument"
        Wait-Until { Test-Path "$folder/named" } 'the program has its name'
        $image = Invoke-CracCheckpoint $id "$folder/named.cr" -LeaveRunning
    }

    It 'is shown with escapes in tables and lists, and its properties have the real values' {
        $process = $image.Processes.Where({ $_.Command -eq $comm })
        $process.Count | Should -BeGreaterThan 0
        foreach ($shown in ($process | Out-String -Width 120), ($image | Out-String -Width 120), ($image | Format-List | Out-String -Width 120), (Test-CracImage $image.Path | Out-String -Width 120)) {
            $raw.IsMatch($shown) | Should -BeFalse -Because $shown
        }
        $process | Out-String -Width 120 | Should -Match 'e\\x1b\[2J\\x07x'
    }

    It 'is completed, asked for and refused with escapes' {
        $completed = (TabExpansion2 "Invoke-CracCheckpoint -Id $id" "Invoke-CracCheckpoint -Id $id".Length).CompletionMatches.Where({ $_.CompletionText -eq $id })
        $completed.ListItemText | Should -Match 'e\\x1b\[2J'
        $raw.IsMatch("$($completed.ListItemText)$($completed.ToolTip)") | Should -BeFalse
        $child = Invoke-ChildPwsh "Invoke-CracCheckpoint $id '$folder/never' -WhatIf; Restore-CracProcess '$($image.Path)' -ErrorAction Continue; Test-CracProcess $id"
        $raw.IsMatch($child.Output) | Should -BeFalse -Because $child.Output
        $raw.IsMatch(($child.Error -replace '\e\[[0-9;]*m')) | Should -BeFalse -Because $child.Error
    }
}
