BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    $noPython = Get-CriuObstacle python3
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Search-CracImage$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram "env SECRET=hunter2-in-memory bash -c 'sleep 1000 & wait'"
        Wait-Until { Get-ChildId $id } 'the shell has its child'
        $image = Invoke-CracCheckpoint -Id $id -ImageName one -PidTimeout 0
        $path = $image.Path
    }

    It 'tells whose memory has a text, where, and what stands around it' {
        $matched = @(Search-CracImage 'hunter2-in-memory' $path)
        $matched | Should -BeOfType PSCrac.CracMemoryMatch
        $matched.ProcessId | Sort-Object -Unique | Should -Be ($image.ProcessIds | Sort-Object) -Because 'a child inherits the environment'
        $first = $matched.Where({ $_.ProcessId -eq $id -and $_.Location -eq '[stack]' })[0]
        $first.Command | Should -Be 'bash'
        $first.Area.Path | Should -Be '[stack]'
        $first.Context | Should -Match 'SECRET=hunter2-in-memory\.'
        [Text.Encoding]::ASCII.GetString($first.Bytes) | Should -Be 'hunter2-in-memory'
        $first.Context.Substring($first.ContextStart, $first.Length) | Should -Be 'hunter2-in-memory'
        $first.Process.CommandLine | Should -Be 'bash', '-c', 'sleep 1000 & wait'
        $first.ImagePath | Should -Be $path
    }

    It 'finds the same as a text, as an expression and as bytes, wherever the image stands' {
        $expected = @(Search-CracImage 'hunter2' $path | ForEach-Object Address)
        $expected.Count | Should -BeGreaterThan 1
        @(Search-CracImage -Pattern 'hunter\d' $path | ForEach-Object Address) | Should -Be $expected
        @(Search-CracImage -Bytes ([Text.Encoding]::ASCII.GetBytes('hunter2')) $path | ForEach-Object Address) | Should -Be $expected
        @(Search-CracImage -String hunter2 -Path $path | ForEach-Object Address) | Should -Be $expected
        @($path | Search-CracImage hunter2 | ForEach-Object Address) | Should -Be $expected
        @($image | Search-CracImage hunter2 | ForEach-Object Address) | Should -Be $expected
        @($image | Search-CracImage -Pattern 'hunter\d' | ForEach-Object Address) | Should -Be $expected
        @(Get-Item $path | Search-CracImage hunter2 | ForEach-Object Address) | Should -Be $expected
        @([pscustomobject]@{ Path = $path } | Search-CracImage -Bytes 0x68, 0x75, 0x6e, 0x74, 0x65, 0x72, 0x32 | ForEach-Object Address) | Should -Be $expected
        @(Search-CracImage hunter2 one | ForEach-Object Address) | Should -Be $expected
    }

    It 'takes a path with [1] in it by -LiteralPath, and wildcards by -Path' {
        Copy-Item -Recurse $path "$folder/cr [1]"
        @(Search-CracImage hunter2 -LiteralPath "$folder/cr [1]").Count | Should -BeGreaterThan 1
        @(Search-CracImage -Pattern hunter2 -LiteralPath "$folder/cr [1]").Count | Should -BeGreaterThan 1
        @(Search-CracImage hunter2 "$folder/cr*").Count | Should -BeGreaterThan 1
    }

    It 'looks in some processes only' {
        $child = $image.Processes[1].ProcessId
        (Search-CracImage hunter2 $path -ProcessId $child).ProcessId | Sort-Object -Unique | Should -Be $child
        { Search-CracImage hunter2 $path -ProcessId 2147483647 -ErrorAction Stop } | Should -Throw -ErrorId 'ProcessNotFound,*'
    }

    It 'gives as much context as is asked for' {
        foreach ($match in Search-CracImage hunter2 $path -Context 0) { $match.Context | Should -Be 'hunter2' }
        (Search-CracImage hunter2 $path -Context 100 | Select-Object -First 1).ContextBytes.Length | Should -BeGreaterThan 100
    }

    It 'gives nothing, and no error, for what is not there' {
        Search-CracImage "nobody wrote $([guid]::NewGuid())" $path -ErrorAction Stop | Should -BeNullOrEmpty
        Search-CracImage HUNTER2 $path -ErrorAction Stop | Should -BeNullOrEmpty -Because 'case matters'
        Search-CracImage -Pattern '(?i)HUNTER2' $path -ErrorAction Stop | Should -Not -BeNullOrEmpty
    }

    It 'streams: who wants the first match does not wait for the last' {
        @(Search-CracImage -Pattern '.' $path | Select-Object -First 3).Count | Should -Be 3
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'an expression that is none'; Try = { Search-CracImage -Pattern 'x(' $path }; Id = 'OptionRefused,*' }
        @{ What = 'an empty text'; Try = { Search-CracImage '' $path }; Id = 'ParameterArgumentValidationError,*' }
        @{ What = 'a text and an expression'; Try = { Search-CracImage -String a -Pattern b $path }; Id = 'AmbiguousParameterSet,*' }
        @{ What = 'an expression as UTF-16'; Try = { Search-CracImage -Utf16 -Pattern b $path }; Id = 'AmbiguousParameterSet,*' }
    ) {
        $Try | Should -Throw -ErrorId $Id
    }

    It 'goes on after a bad image, and names a missing pages file' {
        Copy-Item -Recurse $path "$folder/nopages"
        Remove-Item "$folder/nopages/pages-*.img"
        $matched = @("$folder/nopages", "$folder/none", $path | Search-CracImage hunter2 -ErrorAction SilentlyContinue -ErrorVariable errors)
        $matched.ImagePath | Sort-Object -Unique | Should -Be $path
        $errors.FullyQualifiedErrorId | Should -Be 'ImageIncomplete,PSCrac.Commands.SearchCracImageCommand', 'NotAnImage,PSCrac.Commands.SearchCracImageCommand'
        $errors[0].Exception.FileName | Should -Match '^pages-\d+\.img$'
    }

    It 'shows the match in a table of 80 columns' {
        $lines = (Search-CracImage hunter2-in $path -ProcessId $id | Out-String -Width 80).Trim().Split("`n")
        $lines[0] | Should -Match '^ProcessId Command +Address Area +Context'
        $lines[2..($lines.Count - 1)] | Should -Match '^ *\d+ bash +0x[0-9a-f]+ \[(stack|heap)\] .*hunter2-in'
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
    }
}

Describe "Search-CracImage in shared memory$(Get-SkipNote $noPython)" -Skip:([bool] $noPython) {
    It 'finds what is in shared memory, and in a memfd that nobody maps' {
        # Written in two: as a whole the text is nowhere else.
        $program = 'import mmap, os, time; m = mmap.mmap(-1, 8192); m[100:107] = b"SHARED-"; m[107:113] = b"SECRET"; d = os.memfd_create("vault"); os.ftruncate(d, 8192); os.pwrite(d, b"VAULT-", 50); os.pwrite(d, b"SECRET", 56); open("{0}", "w").close(); time.sleep(1000)'
        $id = Start-TestProgram "$(Find-Program python3) -c '$($program.Replace('{0}', "$folder/ready"))'"
        Wait-Until { Test-Path "$folder/ready" } 'the program is ready'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$folder/shared"
        $mapped = @(Search-CracImage 'SHARED-SECRET' $image)
        $mapped.Count | Should -Be 1
        $mapped.Area.IsShared | Should -BeTrue
        $mapped[0].Address - $mapped[0].Area.Start | Should -Be 100
        $vault = @(Search-CracImage 'VAULT-SECRET' $image)
        $vault.Count | Should -Be 1
        $vault.ProcessId | Should -Be $id
        $vault.Location | Should -Be '/memfd:vault'
        $vault.Area | Should -BeNullOrEmpty
        $vault[0].Address | Should -Be 50
        { $vault | Get-CracImageMemory -ErrorAction Stop } | Should -Throw -ErrorId 'MemoryNotInImage,*'
        ($vault | Out-String -Width 80) | Should -Match 'memfd:vault *….*VAULT-SECRET|memfd:vault .*VAULT-SECRET'
    }
}
