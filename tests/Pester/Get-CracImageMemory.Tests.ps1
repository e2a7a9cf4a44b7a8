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

Describe "Get-CracImageMemory$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram "env SECRET=hunter2-in-memory bash -c 'sleep 1000 & wait'"
        Wait-Until { Get-ChildId $id } 'the shell has its child'
        $image = Invoke-CracCheckpoint -Id $id -ImageName one -PidTimeout 0
        $path = $image.Path
        $hit = Search-CracImage 'SECRET=hunter2' $path -ProcessId $id | Where-Object Location -EQ '[stack]' | Select-Object -First 1
    }

    It 'gives one array of the bytes at an address' {
        $bytes = Get-CracImageMemory $path -Address $hit.Address -Length 24
        , $bytes | Should -BeOfType byte[]
        [Text.Encoding]::ASCII.GetString($bytes) | Should -Be 'SECRET=hunter2-in-memory'
        @(Get-CracImageMemory $path -Address $hit.Address).Count | Should -Be 1 -Because 'an array is one object'
        $heap = ($image.MemoryAreas | Where-Object { $_.Path -eq '[heap]' -and $_.Dumped -gt 4096 } | Select-Object -First 1)
        (Get-CracImageMemory $path -Address $heap.Start).Length | Should -Be 256
    }

    It 'is shown by Format-Hex' {
        Get-CracImageMemory $path -Address $hit.Address -Length 24 | Format-Hex | Out-String | Should -Match '53 45 43 52 45 54 3D.*SECRET=hunter2'
    }

    It 'reads the root, or the process that is named' {
        $child = $image.Processes[1].ProcessId
        $stack = $image.Processes[1].MemoryAreas | Where-Object Path -EQ '[stack]'
        (Get-CracImageMemory $path -ProcessId $child -Address ($stack.End - 4096) -Length 4096).Length | Should -Be 4096
        { Get-CracImageMemory $path -ProcessId 2147483647 -Address 1 -ErrorAction Stop } |
            Should -Throw -ErrorId 'ProcessNotFound,*' -PassThru | ForEach-Object { $_.ErrorDetails.RecommendedAction } |
            Should -Match "Its processes are: $id, $child\."
    }

    It 'takes the address that a table shows' {
        $shown = ($hit | Out-String -Width 80) -split '\s+' -match '^0x' | Select-Object -First 1
        $bytes = & ([scriptblock]::Create("Get-CracImageMemory '$path' -Address $shown -Length 6"))
        [Text.Encoding]::ASCII.GetString($bytes) | Should -Be 'SECRET'
    }

    It 'takes images from the pipeline, by value and by property, and matches' {
        (Get-CracImage $path | Get-CracImageMemory -Address $hit.Address -Length 6).Length | Should -Be 6
        ($path | Get-CracImageMemory -Address $hit.Address -Length 6).Length | Should -Be 6
        (Get-Item $path | Get-CracImageMemory -Address $hit.Address -Length 6).Length | Should -Be 6
        ([pscustomobject]@{ Path = $path } | Get-CracImageMemory -Address $hit.Address -Length 6).Length | Should -Be 6
        [Text.Encoding]::ASCII.GetString(($hit | Get-CracImageMemory -Length 24)) | Should -Be 'SECRET=hunter2-in-memory'
        @(Search-CracImage 'SECRET=hunter2' $path | Get-CracImageMemory -Length 6).Count | Should -Be @(Search-CracImage 'SECRET=hunter2' $path).Count
    }

    It 'takes a path with [1] in it by -LiteralPath, and wildcards by -Path' {
        Copy-Item -Recurse $path "$folder/cr [1]"
        (Get-CracImageMemory -LiteralPath "$folder/cr [1]" -Address $hit.Address -Length 6).Length | Should -Be 6
        (Get-CracImageMemory "$folder/cr*" -Address $hit.Address -Length 6).Length | Should -Be 6
    }

    It 'says where bytes are that the image does not have: <What>' -ForEach @(
        @{ What = 'nowhere'; Find = { 1 }; Says = 'nothing is mapped there' }
        @{ What = 'in a file'; Find = { ($image.MemoryAreas | Where-Object { $_.Protection -eq 'r-xp' -and $_.Path -like '/*' -and -not $_.Dumped } | Select-Object -First 1).Start }; Says = 'its content is in the file' }
    ) {
        $failure = { Get-CracImageMemory $path -Address (& $Find) -ErrorAction Stop } | Should -Throw -ErrorId 'MemoryNotInImage,*' -PassThru
        $failure.Exception.Message | Should -Match $Says
        $failure.Exception.ProcessId | Should -Be $id
        $failure.ErrorDetails.RecommendedAction | Should -Match 'MemoryAreas'
    }

    It 'goes on after an image without that memory' {
        $bytes = @("$folder/none", $path | Get-CracImageMemory -Address $hit.Address -ErrorAction SilentlyContinue -ErrorVariable errors)
        $bytes.Count | Should -Be 1
        $errors.Count | Should -Be 1
    }

    It 'refuses a length of <_>' -ForEach 0, -1 {
        { Get-CracImageMemory $path -Address 1 -Length $_ } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
    }

    It 'has the processes of the image completed' {
        foreach ($line in "Get-CracImageMemory $path -ProcessId ", 'Get-CracImageMemory one -ProcessId ', "Search-CracImage x $path -ProcessId ") {
            $offered = [Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, $null).CompletionMatches
            $offered.CompletionText | Should -Be $image.ProcessIds
            $offered[0].ListItemText | Should -Be "bash ($id)"
        }
    }
}
