BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Remove-CracImage$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram 'sleep 1000'
        $original = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/original" -LeaveRunning
    }

    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        Copy-Item -Recurse $original.Path "$work/cr"
    }

    It 'removes an image by <What>, and says nothing' -ForEach @(
        @{ What = 'path'; Remove = { Remove-CracImage "$work/cr" } }
        @{ What = 'literal path'; Remove = { Remove-CracImage -LiteralPath "$work/cr" } }
        @{ What = 'object'; Remove = { Get-CracImage "$work/cr" | Remove-CracImage } }
        @{ What = 'path from the pipeline'; Remove = { "$work/cr" | Remove-CracImage } }
        @{ What = 'property'; Remove = { [pscustomobject]@{ Path = "$work/cr" } | Remove-CracImage } }
        @{ What = 'wildcard'; Remove = { Remove-CracImage "$work/c*" } }
        @{ What = 'file system object'; Remove = { Get-Item "$work/cr" | Remove-CracImage } }
    ) {
        & $Remove | Should -BeNullOrEmpty
        Test-Path "$work/cr" | Should -BeFalse
        Test-Path $work | Should -BeTrue
    }

    It 'removes an image by its name' {
        $null = New-Item -Force -ItemType Directory $env:PSCRAC_IMAGE_ROOT
        Move-Item "$work/cr" "$env:PSCRAC_IMAGE_ROOT/named"
        Remove-CracImage named
        Test-Path "$env:PSCRAC_IMAGE_ROOT/named" | Should -BeFalse
    }

    It 'takes no part of a path with [1] in it for a wildcard with -LiteralPath' {
        Move-Item "$work/cr" "$work/cr [1]"
        Remove-CracImage -LiteralPath "$work/cr [1]"
        Test-Path -LiteralPath "$work/cr [1]" | Should -BeFalse
    }

    It 'removes nothing with -WhatIf, and tells what it would' {
        $said = (Invoke-ChildPwsh "Remove-CracImage '$work/cr' -WhatIf").Output
        $said | Should -Be "What if: Performing the operation `"Remove image`" on target `"$work/cr`"."
        (Get-CracImage "$work/cr").RootProcessId | Should -Be $id
    }

    It 'asks with -Confirm, and removes nothing where nobody answers' {
        $said = Invoke-ChildPwsh "Remove-CracImage '$work/cr' -Confirm"
        $said.Error | Should -Match 'NonInteractive|read mode|prompt'
        (Get-CracImage "$work/cr").RootProcessId | Should -Be $id
    }

    It 'leaves what it did not make, and warns' {
        Set-Content "$work/cr/notes.txt" 'mine'
        $null = New-Item -ItemType Directory "$work/cr/sub"
        Remove-CracImage "$work/cr" -WarningVariable warned -WarningAction SilentlyContinue
        $warned.Count | Should -Be 1
        $warned[0].Message | Should -Match 'notes\.txt.*were left|sub.*were left'
        (Get-ChildItem "$work/cr").Name | Sort-Object | Should -Be 'notes.txt', 'sub'
    }

    It 'refuses <What>, and leaves it' -ForEach @(
        @{ What = 'a folder that is no image'; Path = 'folder'; Make = { $null = New-Item -ItemType Directory "$work/folder"; Set-Content "$work/folder/x.img" 'x' }; Stays = 'folder/x.img' }
        @{ What = 'a file'; Path = 'file'; Make = { Set-Content "$work/file" 'x' }; Stays = 'file' }
        @{ What = 'an archive with an image in it'; Path = 'cr.tar'; Make = { tar -C $work -cf "$work/cr.tar" cr }; Stays = 'cr.tar' }
        @{ What = 'nothing'; Path = 'none'; Make = { }; Stays = 'cr' }
    ) {
        & $Make
        { Remove-CracImage "$work/$Path" -ErrorAction Stop } | Should -Throw -ErrorId 'NotAnImage,*' -PassThru |
            ForEach-Object { $_.ErrorDetails.RecommendedAction } | Should -Match '\.$'
        Test-Path "$work/$Stays" | Should -BeTrue
    }

    It 'passes by folders that a wildcard finds and that are no images' {
        $null = New-Item -ItemType Directory "$work/other"
        Remove-CracImage "$work/*" -ErrorAction Stop
        Test-Path "$work/other" | Should -BeTrue
        Test-Path "$work/cr" | Should -BeFalse
    }

    It 'keeps the parent of another image, unless forced' {
        Copy-Item -Recurse $original.Path "$work/child"
        $null = New-Item -ItemType SymbolicLink "$work/child/parent" -Value ../cr
        $failure = { Remove-CracImage "$work/cr" -ErrorAction Stop } | Should -Throw -ErrorId 'ImageInUse,*' -PassThru
        $failure.CategoryInfo.Category | Should -Be 'ResourceBusy'
        $failure.Exception.Message | Should -Match ([regex]::Escape("$work/child"))
        $failure.ErrorDetails.RecommendedAction | Should -Match '-Force'
        Test-Path "$work/cr/inventory.img" | Should -BeTrue
        Remove-CracImage "$work/cr" -Force
        Test-Path "$work/cr" | Should -BeFalse
        Remove-CracImage "$work/child"
        Test-Path "$work/child" | Should -BeFalse
    }

    It 'follows no link out of the image' {
        Set-Content "$work/precious" 'mine'
        $null = New-Item -ItemType SymbolicLink "$work/cr/core-1.img" -Value "$work/precious"
        Remove-CracImage "$work/cr"
        Get-Content "$work/precious" | Should -Be 'mine'
    }

    It 'goes on after what it cannot remove' {
        Remove-CracImage "$work/none", "$work/cr" -ErrorAction SilentlyContinue -ErrorVariable errors
        $errors.Count | Should -Be 1
        Test-Path "$work/cr" | Should -BeFalse
    }
}
