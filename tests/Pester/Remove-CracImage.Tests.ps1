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

    Context 'retention' {
        BeforeAll {
            # Images of any age, of one program or of services, in a folder of their own.
            function New-Aged([string] $Path, [int] $Day) {
                $null = New-Item -ItemType Directory -Force (Split-Path $Path)
                Copy-Item -Recurse $original.Path $Path
                $manifest = Get-Content -Raw "$Path/pscrac.json" | ConvertFrom-Json -Depth 20
                $manifest.created = [datetimeoffset]::Now.AddDays(-$Day).ToString('o')
                $manifest | ConvertTo-Json -Depth 20 | Set-Content "$Path/pscrac.json"
            }

            function Get-Left([string] $Under = $work) { (Get-ChildItem $Under).Name | Sort-Object }
        }

        BeforeEach {
            Remove-Item -Recurse "$work/cr"
            1..4 | ForEach-Object { New-Aged "$work/old$_" (20 - $_) }
        }

        It 'keeps the newest, with -KeepLast, whatever the order of the input' {
            Get-CracImage "$work/*" | Sort-Object { Get-Random } | Remove-CracImage -KeepLast 2 | Should -BeNullOrEmpty
            Get-Left | Should -Be 'old3', 'old4'
        }

        It 'removes only what is older, with -OlderThan' {
            Remove-CracImage "$work/*" -OlderThan 17.12:00:00
            Get-Left | Should -Be 'old3', 'old4'
            Remove-CracImage "$work/*" -OlderThan ([timespan]::FromDays(18))
            Get-Left | Should -Be 'old3', 'old4'
        }

        It 'removes the oldest until the rest is small enough, with -MaximumSize' {
            $size = (Get-CracImage "$work/old1").Size
            Remove-CracImage "$work/*" -MaximumSize (3.5 * $size)
            Get-Left | Should -Be 'old2', 'old3', 'old4'
        }

        It 'tells with -WhatIf what would go, and removes nothing' {
            $said = (Invoke-ChildPwsh "Get-CracImage '$work/*' | Remove-CracImage -KeepLast 3 -OlderThan 7.00:00:00 -WhatIf").Output
            $said | Should -Be "What if: Performing the operation `"Remove image`" on target `"$work/old1`"."
            (Get-Left).Count | Should -Be 4
        }

        It 'keeps a parent whose child stays, and tells so with -Verbose' {
            $null = New-Item -ItemType SymbolicLink "$work/old4/parent" -Value ../old1
            $said = Remove-CracImage "$work/*" -KeepLast 1 -Verbose 4>&1
            Get-Left | Should -Be 'old1', 'old4'
            "$said" | Should -Match "$([regex]::Escape("$work/old1")) stays: $([regex]::Escape("$work/old4")) needs it\."
        }

        It 'keeps the only good image of a service, and only that' {
            $root = "$env:PSCRAC_IMAGE_ROOT/web"
            New-Aged "$root/20261101-060000" 3
            New-Aged "$root/20261102-060000" 2
            New-Aged "$root/20261103-060000" 1
            Remove-Item "$root/20261103-060000/pages-1.img"
            Get-CracImage web | Remove-CracImage -OlderThan 00:00:01
            Get-Left $root | Should -Be '20261102-060000'
            (Get-CracImage web).ServiceName | Should -Be 'web'
            Remove-CracImage web
            Get-CracImage web -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        }

        It 'refuses <What>, and removes nothing' -ForEach @(
            @{ What = 'an age without a unit'; Id = 'ParameterArgumentTransformationError,*'; Message = '*7.00:00:00*'; Call = { Remove-CracImage "$work/*" -OlderThan 7 } }
            @{ What = 'an age as text without a unit'; Id = 'ParameterArgumentTransformationError,*'; Message = '*7.00:00:00*'; Call = { Remove-CracImage "$work/*" -OlderThan '7' } }
            @{ What = 'a negative age'; Id = 'OptionRefused,*'; Message = '*negative*'; Call = { Remove-CracImage "$work/*" -OlderThan -01:00:00 } }
            @{ What = '-Force beside'; Id = 'OptionRefused,*'; Message = '*-Force*'; Call = { Remove-CracImage "$work/*" -KeepLast 1 -Force } }
        ) {
            $Call | Should -Throw -ErrorId $Id -ExpectedMessage $Message
            (Get-Left).Count | Should -Be 4
        }
    }
}
